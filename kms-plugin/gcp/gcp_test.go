package gcp

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

const label = "kw1|cluster-a|0123456789abcdef|1"

func subject(c *cloud, config Config) kekconform.Subject {
	return kekconform.Subject{
		Open: func(t *testing.T) kek.Backend { return open(t, config) },
		Kind: kek.GCP, Identity: 1, Bound: true, WrapsOld: true, Rotate: func(*testing.T) { c.rotate() }, Secrets: []string{"PRIVATE KEY"},
	}
}

func TestConformance(t *testing.T) {
	c := start(t)
	kekconform.Run(t, subject(c, c.config(t)))
}

func TestFailures(t *testing.T) {
	c := start(t)
	says := func(code codes.Code, text string, details ...protoadapt.MessageV1) func() {
		return func() {
			c.set(func(context.Context, string) error {
				said, err := status.New(code, text).WithDetails(details...)
				if err != nil {
					return err
				}
				return said.Err()
			}, nil)
		}
	}
	crypto := []string{"wrap", "unwrap"}
	name := keyName + "/cryptoKeyVersions/1"
	subject(c, c.config(t)).FaultsWith(t, func() { c.set(nil, nil) }, []kekconform.Row{
		{Name: "cut", Inject: func() {
			c.set(func(context.Context, string) error { c.listener.cut(); return nil }, nil)
		}, Class: kek.Unavailable},
		{Name: "slow", Slow: true, Inject: func() {
			c.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		}, Class: kek.Unavailable},
		{Name: "unavailable", Inject: says(codes.Unavailable, "The service is currently unavailable."), Class: kek.Unavailable},
		{Name: "internal", Inject: says(codes.Internal, "Internal error encountered."), Class: kek.Unavailable},
		{Name: "throttled", Inject: says(codes.ResourceExhausted, "Quota exceeded for quota metric 'Cryptographic requests'",
			&errdetails.RetryInfo{RetryDelay: durationpb.New(4 * time.Second)}, &errdetails.RequestInfo{RequestId: "request-1"}),
			Class: kek.Throttled, RetryAfter: 4 * time.Second, RequestID: "request-1"},
		{Name: "denied", Inject: says(codes.PermissionDenied, "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied"), Class: kek.Denied},
		{Name: "another clock", Inject: func() {
			says(codes.Unauthenticated, "Request had invalid authentication credentials.")()
			c.mu.Lock()
			c.skew = 20 * time.Minute
			c.mu.Unlock()
		}, Class: kek.Denied, Skew: 20 * time.Minute},
		{Name: "disabled", Inject: says(codes.FailedPrecondition, name+" is not enabled, current state is: DISABLED."), Ops: crypto, Class: kek.Disabled},
		{Name: "destroy scheduled", Inject: says(codes.FailedPrecondition, name+" is not enabled, current state is: DESTROY_SCHEDULED."), Ops: crypto, Class: kek.Disabled},
		{Name: "destroyed", Inject: says(codes.FailedPrecondition, name+" is not enabled, current state is: DESTROYED."), Ops: crypto, Class: kek.Deleted},
		{Name: "no such key", Inject: says(codes.NotFound, "CryptoKey "+keyName+" not found."), Class: kek.Deleted},
		{Name: "invalid", Inject: says(codes.InvalidArgument, "Decryption failed: verify that 'name' refers to the correct CryptoKey."), Ops: []string{"unwrap"}, Class: kek.Integrity},
		{Name: "checksum", Inject: says(codes.InvalidArgument, "The checksum in field ciphertext_crc32c did not match the data in field ciphertext."), Ops: crypto, Class: kek.Unavailable},
		{Name: "unimplemented", Inject: says(codes.Unimplemented, ""), Class: kek.Misconfigured},
		{Name: "answers damaged on their way", Inject: func() {
			c.set(nil, func(answer any) {
				switch said := answer.(type) {
				case *kmspb.EncryptResponse:
					said.Ciphertext[50] ^= 1
				case *kmspb.DecryptResponse:
					said.Plaintext[5] ^= 1
				}
			})
		}, Ops: crypto, Class: kek.Unavailable},
		{Name: "requests that nobody checked", Inject: func() {
			c.set(nil, func(answer any) {
				if said, ok := answer.(*kmspb.EncryptResponse); ok {
					said.VerifiedPlaintextCrc32C = false
				}
			})
		}, Ops: []string{"wrap"}, Class: kek.Unavailable},
		{Name: "another version answers", Inject: func() {
			c.set(nil, func(answer any) {
				if said, ok := answer.(*kmspb.EncryptResponse); ok {
					said.Name = keyName + "/cryptoKeyVersions/7"
				}
			})
		}, Ops: []string{"wrap"}, Class: kek.Changed},
	})
}

func TestStates(t *testing.T) {
	c := start(t)
	backend := open(t, c.config(t))
	version, err := backend.Current(t.Context())
	if err != nil || time.Since(version.Created) > time.Minute {
		t.Fatalf("created %s, %v", version.Created, err)
	}
	key := kekconform.Key(t)
	wrap, err := backend.Wrap(t.Context(), version, key, label)
	if err != nil {
		t.Fatal(err)
	}
	for state, class := range map[kmspb.CryptoKeyVersion_CryptoKeyVersionState]kek.Class{
		kmspb.CryptoKeyVersion_DISABLED: kek.Disabled, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED: kek.Disabled, kmspb.CryptoKeyVersion_DESTROYED: kek.Deleted,
	} {
		when := time.Date(2030, 3, 17, 0, 0, 0, 0, time.UTC)
		c.state(1, state, timestamppb.New(when))
		seen, err := backend.Current(t.Context())
		if kek.ClassOf(err) != class {
			t.Errorf("%s: %s was due: %v", state, class, err)
		}
		if state == kmspb.CryptoKeyVersion_DESTROY_SCHEDULED && (!seen.DeletionDate.Equal(when) || !strings.Contains(err.Error(), "2030-03-17")) {
			t.Errorf("destroyed at %s: %v", seen.DeletionDate, err)
		}
		if _, err := backend.Unwrap(t.Context(), wrap, label); kek.ClassOf(err) != class {
			t.Errorf("%s: %s was due: %v", state, class, err)
		}
	}
	// Another primary version does not bring back what the destroyed one made.
	c.rotate()
	if _, err := backend.Current(t.Context()); err != nil {
		t.Error(err)
	}
	c.state(1, kmspb.CryptoKeyVersion_ENABLED, nil)
	if got, err := backend.Unwrap(t.Context(), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("a restored version: %v", err)
	}
	c.mu.Lock()
	c.primary = -1
	c.mu.Unlock()
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Disabled {
		t.Errorf("disabled was due: %v", err)
	}
	c.mu.Lock()
	c.primary, c.purpose = 1, kmspb.CryptoKey_ASYMMETRIC_DECRYPT
	c.mu.Unlock()
	if _, err := backend.Current(t.Context()); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}

// A service account whose key was replaced: refused tokens are made anew from the file, once.
func TestCredentialsAreReadAgain(t *testing.T) {
	c := start(t)
	config := c.config(t)
	backend := open(t, config)
	if _, err := backend.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.signer = other
	c.mu.Unlock()
	c.set(nil, nil)
	for range 10 {
		var failure *kek.Error
		if _, err := backend.Current(t.Context()); !errors.As(err, &failure) || failure.Class != kek.Denied || failure.ServerTime.IsZero() {
			t.Fatalf("denied was due, with the server's time: %v", err)
		}
	}
	c.mu.Lock()
	calls := c.calls
	c.mu.Unlock()
	if calls > 12 {
		t.Errorf("10 refused calls became %d", calls)
	}
	c.account(t, config.CredentialsFile, other)
	backend.bearer.mu.Lock()
	backend.bearer.last = time.Time{}
	backend.bearer.mu.Unlock()
	if _, err := backend.Current(t.Context()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(config.CredentialsFile); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, config).Current(t.Context()); err == nil {
		t.Error("it went well without credentials")
	}
}

// k8s-cloudkms-plugin binds nothing.
func TestCompat(t *testing.T) {
	var _ kek.Compat = (*Backend)(nil)
	c := start(t)
	backend := open(t, c.config(t))
	seed := kekconform.Key(t)
	made, err := backend.client.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: keyName, Plaintext: seed})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := backend.Decrypt(t.Context(), made.GetCiphertext(), nil, nil); err != nil || !bytes.Equal(got, seed) {
		t.Error(err)
	}
	if _, err := backend.Unwrap(t.Context(), made.GetCiphertext(), label); kek.ClassOf(err) != kek.Integrity {
		t.Errorf("integrity was due: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if problems := (&Config{Key: keyName}).Validate(); len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
	for field, config := range map[string]Config{
		"key": {Key: keyName + "/cryptoKeyVersions/1"}, "credentialsFile": {Key: keyName, CredentialsFile: "account.json"},
		"endpoint": {Key: keyName, Endpoint: "https://kms.example"},
	} {
		if problems := config.Validate(); len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%s: %+v", field, problems)
		}
	}
	proxied := Config{Key: keyName}
	proxied.Connect.Proxy = "http://proxy.example:3128"
	if problems := proxied.Validate(); len(problems) != 1 || problems[0].Field != "proxy" {
		t.Errorf("%+v", problems)
	}
}
