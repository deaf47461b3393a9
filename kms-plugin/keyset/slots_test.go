package keyset_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// owned is a key that knows its KMS's identities.
func owned(slot uint8, name string, backend kek.Backend) keyset.Key {
	key := keyOf(slot, backend)
	key.Owns = func(identity [][]byte) bool { return len(identity) > 0 && string(identity[0]) == name }
	return key
}

// A key in the slot of another one makes no set, and the other keys go on opening.
func TestAnotherKeyInASlot(t *testing.T) {
	for what, other := range map[string]func() keyset.Key{
		"another key of the same kind": func() keyset.Key {
			return owned(1, "other", kektest.New("other", kek.Transit, time.Now().Add(-time.Hour)))
		},
		"a key of another kind": func() keyset.Key { return owned(1, "vault", kektest.New("vault", kek.GCP, time.Now().Add(-time.Hour))) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now().Add(-time.Hour)
				vault, aws, store := kektest.New("vault", kek.Transit, began), kektest.New("aws", kek.AWS, began), &memory{}
				first := start(t, store, nil, owned(1, "vault", vault), owned(2, "aws", aws)).ready()
				request, seed := first.encrypt()
				// A rotation is no other key.
				vault.Rotate(time.Now())
				time.Sleep(time.Hour)
				now := first.engine.Status()
				first.stop()
				if again := start(t, store, nil, owned(1, "vault", vault), owned(2, "aws", aws)); again.engine.Status() != now || again.engine.Misplaced() != "" {
					t.Fatalf("%+v, %+v is right; %s", again.engine.Status(), now, again.engine.Misplaced())
				} else {
					again.stop()
				}

				wrong := start(t, store, nil, other(), owned(2, "aws", aws))
				time.Sleep(time.Hour)
				if said := wrong.engine.Status(); said.KeyID != "" || !strings.Contains(said.Healthz, "slot 1 had another key (transit) before") {
					t.Fatalf("%+v", said)
				}
				wrong.encryptFails(codes.FailedPrecondition)
				if shown := wrong.engine.Snapshot().Keys[0]; !strings.Contains(shown.Refused, "a slot of its own") {
					t.Fatalf("%+v", shown)
				}
				wrong.stop()
				if kept := store.state; kept.KeyID != now.KeyID {
					t.Fatalf("the state has %s, %s is right", kept.KeyID, now.KeyID)
				}

				// In the old key's place again, and the other one in a slot of its own.
				moved := other()
				moved.Slot = 3
				back := start(t, store, nil, owned(1, "vault", vault), owned(2, "aws", aws), moved).ready()
				back.opens(request, seed)
				back.stop()
			})
		})
	}
}

// A key that only opens is reported and stops nothing.
func TestAnotherRetiredKeyInASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().Add(-time.Hour)
		vault, aws, store := kektest.New("vault", kek.Transit, began), kektest.New("aws", kek.AWS, began), &memory{}
		start(t, store, nil, owned(1, "vault", vault), owned(2, "aws", aws)).ready().stop()
		start(t, store, nil, owned(2, "aws", aws)).ready().stop()
		retired := owned(1, "other", kektest.New("other", kek.Transit, began))
		retired.Retired = true
		later := start(t, store, nil, retired, owned(2, "aws", aws)).ready()
		if said := later.engine.Status(); said.Healthz != "ok" || said.KeyID == "" {
			t.Fatalf("%+v", said)
		}
		if !strings.Contains(later.engine.Misplaced(), "slot 1") || !strings.Contains(later.log.String(), "not the one of its slot") {
			t.Fatal(later.engine.Misplaced(), later.log.String())
		}
		later.stop()
	})
}
