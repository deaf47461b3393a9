// Package gcp is a KEK in Google Cloud KMS: a symmetric key, with the label as additional authenticated data.
//
// A wrap is the ciphertext as KMS answers it; which version made it is inside.
package gcp

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// WrapLen is how long KMS's wrap of 32 bytes is. KMS promises no length.
const WrapLen = 113

// longestCiphertext is what Decrypt takes, in bytes.
const longestCiphertext = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) int64 { return int64(crc32.Checksum(data, castagnoli)) }

// Backend is one CryptoKey.
type Backend struct {
	config Config
	bearer *bearer
	conn   *grpc.ClientConn
	client *kms.KeyManagementClient
	gate   connect.Gate
}

// New makes the backend and calls nobody.
func New(ctx context.Context, config Config) (*Backend, error) {
	secure, err := config.Connect.TLS()
	if err != nil {
		return nil, err
	}
	tokens, err := newBearer(config)
	if err != nil {
		return nil, err
	}
	endpoint := config.Endpoint
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(secure)), grpc.WithPerRPCCredentials(tokens),
		// The caller decides what is tried again.
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithUserAgent("k8senc-kms-plugin"),
	}
	if config.Connect.Proxy == "none" {
		options = append(options, grpc.WithNoProxy())
	}
	conn, err := grpc.NewClient(endpoint, options...)
	if err != nil {
		return nil, err
	}
	client, err := kms.NewKeyManagementClient(ctx, option.WithGRPCConn(conn))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	client.CallOptions = &kms.KeyManagementCallOptions{}
	return &Backend{config: config, bearer: tokens, conn: conn, client: client}, nil
}

// Kind is kek.GCP.
func (b *Backend) Kind() kek.Kind { return kek.GCP }

// call runs a request, and once more with fresh credentials where KMS did not take those that were there.
func call[T any](ctx context.Context, b *Backend, op string, request func(context.Context, ...gax.CallOption) (T, error)) (T, *heard, error) {
	var none T
	if err := b.gate.Check(op); err != nil {
		return none, nil, err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.config.Connect.Limit())
		defer cancel()
	}
	beside := &heard{}
	options := gax.WithGRPCOptions(grpc.Header(&beside.header), grpc.Trailer(&beside.trailer))
	answer, err := request(ctx, options)
	if status.Code(err) == codes.Unauthenticated && b.bearer.again() {
		answer, err = request(ctx, options)
	}
	if err != nil {
		return none, beside, fail(op, beside, err)
	}
	return answer, beside, nil
}

// Current looks up the primary version. Beside the error of a version that waits for its destruction stands one with the date alone.
func (b *Backend) Current(ctx context.Context) (kek.Version, error) {
	key, beside, err := call(ctx, b, "current", func(ctx context.Context, options ...gax.CallOption) (*kmspb.CryptoKey, error) {
		return b.client.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: b.config.Key}, options...)
	})
	if err != nil {
		return kek.Version{}, err
	}
	if key.GetPurpose() != kmspb.CryptoKey_ENCRYPT_DECRYPT {
		return kek.Version{}, beside.fail(kek.Misconfigured, "current", fmt.Errorf("the key's purpose is %s, ENCRYPT_DECRYPT is needed", key.GetPurpose()))
	}
	primary := key.GetPrimary()
	if primary == nil {
		return kek.Version{}, beside.fail(kek.Disabled, "current", errors.New("the key has no primary version: set one"))
	}
	if !b.owns(primary.GetName()) {
		return kek.Version{}, beside.fail(kek.Misconfigured, "current", errors.New("the primary version is not one of the configured key"))
	}
	version := kek.Version{Name: primary.GetName()}
	switch state := primary.GetState(); state {
	case kmspb.CryptoKeyVersion_ENABLED:
	case kmspb.CryptoKeyVersion_DESTROY_SCHEDULED:
		version.DeletionDate = primary.GetDestroyTime().AsTime()
		return version, beside.fail(kek.Disabled, "current", fmt.Errorf("%s will be destroyed at %s: restore it and enable it", version.Name, version.DeletionDate.UTC().Format("2006-01-02T15:04:05Z")))
	case kmspb.CryptoKeyVersion_DESTROYED, kmspb.CryptoKeyVersion_GENERATION_FAILED, kmspb.CryptoKeyVersion_IMPORT_FAILED:
		return kek.Version{}, beside.fail(kek.Deleted, "current", fmt.Errorf("%s has state %s", version.Name, state))
	case kmspb.CryptoKeyVersion_PENDING_GENERATION, kmspb.CryptoKeyVersion_PENDING_IMPORT, kmspb.CryptoKeyVersion_PENDING_EXTERNAL_DESTRUCTION:
		return kek.Version{}, beside.fail(kek.Unavailable, "current", fmt.Errorf("%s has state %s", version.Name, state))
	default:
		return kek.Version{}, beside.fail(kek.Disabled, "current", fmt.Errorf("%s has state %s, ENABLED is needed", version.Name, state))
	}
	version.Identity = [][]byte{[]byte(primary.GetName())}
	version.WrapLen = WrapLen
	if created := primary.GetCreateTime(); created.IsValid() {
		version.Created = created.AsTime()
	}
	return version, nil
}

func (b *Backend) owns(name string) bool {
	return b.config.owns(name)
}

// Wrap names the version, and takes no answer of another or one that was damaged on its way.
func (b *Backend) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	if err := connect.CheckKey(key); err != nil {
		return nil, err
	}
	if !b.config.Owns(version.Identity) {
		return nil, connect.Foreign()
	}
	name := string(version.Identity[0])
	answer, beside, err := call(ctx, b, "wrap", func(ctx context.Context, options ...gax.CallOption) (*kmspb.EncryptResponse, error) {
		return b.client.Encrypt(ctx, &kmspb.EncryptRequest{
			Name: name, Plaintext: key, PlaintextCrc32C: wrapperspb.Int64(checksum(key)),
			AdditionalAuthenticatedData: []byte(label), AdditionalAuthenticatedDataCrc32C: wrapperspb.Int64(checksum([]byte(label))),
		}, options...)
	})
	if err != nil {
		return nil, err
	}
	if answer.GetName() != name {
		return nil, beside.fail(kek.Changed, "wrap", fmt.Errorf("%s encrypted, %s was asked for", answer.GetName(), name))
	}
	if !answer.GetVerifiedPlaintextCrc32C() || !answer.GetVerifiedAdditionalAuthenticatedDataCrc32C() {
		return nil, beside.fail(kek.Unavailable, "wrap", errors.New("KMS did not check what it was sent: it may have been damaged on its way"))
	}
	if sum := answer.GetCiphertextCrc32C(); sum == nil || sum.GetValue() != checksum(answer.GetCiphertext()) {
		return nil, beside.fail(kek.Unavailable, "wrap", errors.New("the ciphertext was damaged on its way: its CRC32C does not fit"))
	}
	return answer.GetCiphertext(), nil
}

// Unwrap calls the configured key, whatever the wrap may name.
func (b *Backend) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	key, err := b.Decrypt(ctx, wrap, []byte(label), nil)
	if err != nil {
		return nil, err
	}
	if err := connect.CheckUnwrapped(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Decrypt decrypts what another plugin had this key encrypt. KMS knows no encryption context.
func (b *Backend) Decrypt(ctx context.Context, ciphertext, associatedData []byte, _ map[string]string) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext) > longestCiphertext {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap has %d bytes, 1 to %d are possible", len(ciphertext), longestCiphertext)}
	}
	request := &kmspb.DecryptRequest{
		Name: b.config.Key, Ciphertext: ciphertext, CiphertextCrc32C: wrapperspb.Int64(checksum(ciphertext)),
		AdditionalAuthenticatedData: associatedData, AdditionalAuthenticatedDataCrc32C: wrapperspb.Int64(checksum(associatedData)),
	}
	answer, beside, err := call(ctx, b, "unwrap", func(ctx context.Context, options ...gax.CallOption) (*kmspb.DecryptResponse, error) {
		return b.client.Decrypt(ctx, request, options...)
	})
	if err != nil {
		return nil, err
	}
	if sum := answer.GetPlaintextCrc32C(); sum == nil || sum.GetValue() != checksum(answer.GetPlaintext()) {
		clear(answer.GetPlaintext())
		return nil, beside.fail(kek.Unavailable, "unwrap", errors.New("the plaintext was damaged on its way: its CRC32C does not fit"))
	}
	return answer.GetPlaintext(), nil
}

// Close ends the connection.
func (b *Backend) Close() error {
	if !b.gate.Shut() {
		return nil
	}
	b.bearer.client.CloseIdleConnections()
	return b.conn.Close()
}
