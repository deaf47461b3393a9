package keyset_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
	"github.com/k8senc/k8senc/kms-plugin/secret"
)

func setKey(t *testing.T, fill byte) *secret.Bytes {
	t.Helper()
	key, err := secret.Take(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = key.Close() })
	return key
}

// An RSA wrap opens online only with the set key, and a record whose MAC does not fit makes no call.
func TestSetKeyVouchesForRSA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		azure := kektest.New("azure", kek.Azure, time.Now())
		with := func(key *secret.Bytes) func(*keyset.Options) { return func(o *keyset.Options) { o.SetKey = key } }
		first := start(t, &memory{}, with(setKey(t, 1)), keyOf(1, azure)).ready()
		request, seed := first.encrypt()
		first.opens(request, seed)
		if first.engine.Status().Healthz != "ok" {
			t.Fatalf("%+v", first.engine.Status())
		}
		asked := azure.Unwraps.Load()
		forged := keyset.Request{Record: bytes.Clone(request.Record), KeyID: request.KeyID}
		forged.Record[len(forged.Record)-1] ^= 1
		first.fails(forged, codes.Internal)
		if azure.Unwraps.Load() != asked {
			t.Fatal("a forged record made a call")
		}
		first.stop()

		other := start(t, &memory{}, with(setKey(t, 2)), keyOf(1, azure)).ready()
		other.fails(request, codes.Internal)
		other.stop()
		without := start(t, &memory{}, nil, keyOf(1, azure))
		without.fails(request, codes.FailedPrecondition)
		without.stop()
		later := start(t, &memory{}, func(o *keyset.Options) {
			o.SetKey, o.RetiredSetKeys = setKey(t, 2), []*secret.Bytes{setKey(t, 1)}
		}, keyOf(1, azure)).ready()
		later.opens(request, seed)
		later.stop()
	})
}

func TestMACRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := kektest.New("vault", kek.Transit, time.Now())
		plain := start(t, &memory{}, nil, keyOf(1, vault)).ready()
		request, seed := plain.encrypt()
		plain.stop()
		key := setKey(t, 1)
		tolerant := start(t, &memory{}, func(o *keyset.Options) { o.SetKey = key }, keyOf(1, vault)).ready()
		tolerant.opens(request, seed)
		tolerant.stop()
		strict := start(t, &memory{}, func(o *keyset.Options) { o.SetKey, o.RequireMAC = key, true }, keyOf(1, vault)).ready()
		if err := strict.fails(request, codes.Internal); !strings.Contains(err.Error(), "no set MAC") {
			t.Fatal(err)
		}
		own, other := strict.encrypt()
		strict.opens(own, other)
		strict.stop()
	})
}
