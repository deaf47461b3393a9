// Package aws is a KEK in AWS KMS: a symmetric key, with the label as its encryption context.
//
// A wrap is the CiphertextBlob as KMS answers it.
package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sdkconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// contextName is the one pair of the encryption context, so that key policies and CloudTrail can name it.
const contextName = "kw1"

// WrapLen is how long KMS's wrap of 32 bytes is. KMS promises no length: one that was seen counts more.
const WrapLen = 184

// longestBlob is what Decrypt takes, in bytes.
const longestBlob = 6144

// Backend is one key.
type Backend struct {
	config    Config
	transport *http.Transport
	client    *kms.Client
	refresher refresher
	gate      connect.Gate

	mu sync.Mutex
	// resolved is the ARN of the last Current; former are those of earlier ones and of the configuration.
	resolved string
	former   []string
	wrapLen  int
	backing  backing
}

// New makes the backend and calls nobody.
func New(ctx context.Context, config Config) (*Backend, error) {
	var wrong error
	// AWS_CA_BUNDLE and ca_bundle add roots to this kind of client only; those of caFile are added to theirs.
	over := awshttp.NewBuildableClient().WithTimeout(config.Connect.Limit()).WithTransportOptions(func(transport *http.Transport) {
		wrong = config.Connect.Apply(transport)
	})
	if wrong != nil {
		return nil, wrong
	}
	options := []func(*sdkconfig.LoadOptions) error{
		sdkconfig.WithRegion(config.region()), sdkconfig.WithHTTPClient(over),
		sdkconfig.WithRetryer(func() sdk.Retryer { return onlySkew{} }),
	}
	if config.Profile != "" {
		options = append(options, sdkconfig.WithSharedConfigProfile(config.Profile))
	}
	loaded, err := sdkconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the SDK's configuration: %w", err)
	}
	if config.RoleARN != "" {
		loaded.Credentials = sdk.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), config.RoleARN,
			func(o *stscreds.AssumeRoleOptions) {
				o.RoleSessionName = "k8senc-kms-plugin"
				if config.ExternalID != "" {
					o.ExternalID = &config.ExternalID
				}
			}))
	}
	b := &Backend{config: config, former: slices.Clone(config.FormerKeys), wrapLen: WrapLen}
	b.refresher.cache, _ = loaded.Credentials.(*sdk.CredentialsCache)
	inner := loaded.HTTPClient
	if made, ok := inner.(*awshttp.BuildableClient); ok {
		// One transport for all calls, which Close can end.
		b.transport = made.GetTransport()
		inner = &http.Client{Transport: b.transport, Timeout: config.Connect.Limit(), CheckRedirect: noRedirect}
	}
	b.client = kms.NewFromConfig(loaded, func(o *kms.Options) {
		o.HTTPClient = connect.Recording{Doer: inner}
		if config.Endpoint != "" {
			o.BaseEndpoint = &config.Endpoint
		}
	})
	if keyARN().MatchString(config.Key) {
		b.resolved = config.Key
	}
	return b, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Kind is kek.AWS.
func (b *Backend) Kind() kek.Kind { return kek.AWS }

// call runs a request, and once more with fresh credentials where KMS refused those that were there.
func call[T any](ctx context.Context, b *Backend, op string, request func(context.Context) (T, error)) (T, *connect.Seen, error) {
	var none T
	if err := b.gate.Check(op); err != nil {
		return none, nil, err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.config.Connect.Limit())
		defer cancel()
	}
	watched, seen := connect.Watch(ctx)
	answer, err := request(watched)
	if err != nil && fail(op, seen, err).Class == kek.Denied && b.refresher.again() {
		answer, err = request(watched)
	}
	if err != nil {
		return none, seen, &refused{fail(op, seen, err), isWrongKey(err)}
	}
	return answer, seen, nil
}

// refused is a failure that remembers whether KMS said that the blob is of another key.
type refused struct {
	failure  *kek.Error
	wrongKey bool
}

func (r *refused) Error() string { return r.failure.Error() }
func (r *refused) Unwrap() error { return r.failure }

func (b *Backend) describe(ctx context.Context, op, key string) (*types.KeyMetadata, *connect.Seen, error) {
	answer, seen, err := call(ctx, b, op, func(ctx context.Context) (*kms.DescribeKeyOutput, error) {
		return b.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	})
	if err != nil {
		return nil, seen, err
	}
	about := answer.KeyMetadata
	if about == nil || about.Arn == nil || !keyARN().MatchString(*about.Arn) {
		return nil, seen, seen.Fail(kek.Misconfigured, op, "", errors.New("the description has no ARN of a key"))
	}
	return about, seen, nil
}

// Current describes the key. Beside the error of a key that waits for its deletion stands a version with the date alone.
func (b *Backend) Current(ctx context.Context) (kek.Version, error) {
	about, seen, err := b.describe(ctx, "current", b.config.Key)
	if err != nil {
		return kek.Version{}, err
	}
	wrong := func(class kek.Class, format string, values ...any) error {
		return seen.Fail(class, "current", seen.Header("X-Amzn-RequestId"), fmt.Errorf(format, values...))
	}
	if about.KeyUsage != "" && about.KeyUsage != types.KeyUsageTypeEncryptDecrypt || about.KeySpec != types.KeySpecSymmetricDefault {
		return kek.Version{}, wrong(kek.Misconfigured, "key %s has spec %s and usage %s, SYMMETRIC_DEFAULT and ENCRYPT_DECRYPT are needed", *about.Arn, about.KeySpec, about.KeyUsage)
	}
	switch about.KeyState {
	case types.KeyStateEnabled, "":
	case types.KeyStatePendingDeletion, types.KeyStatePendingReplicaDeletion:
		date := sdk.ToTime(about.DeletionDate)
		return kek.Version{Name: *about.Arn, DeletionDate: date},
			wrong(kek.Disabled, "key %s will be deleted at %s: cancel the deletion and enable the key", *about.Arn, date.UTC().Format(time.RFC3339))
	case types.KeyStateUnavailable, types.KeyStateCreating, types.KeyStateUpdating:
		return kek.Version{}, wrong(kek.Unavailable, "key %s has state %s", *about.Arn, about.KeyState)
	default:
		return kek.Version{}, wrong(kek.Disabled, "key %s has state %s, Enabled is needed", *about.Arn, about.KeyState)
	}
	parts := keyARN().FindStringSubmatch(*about.Arn)
	material, created, err := b.material(ctx, about)
	if err != nil {
		return kek.Version{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.resolved != "" && b.resolved != *about.Arn && !slices.Contains(b.former, b.resolved) {
		b.former = append(b.former, b.resolved)
	}
	b.resolved = *about.Arn
	return kek.Version{
		Identity: [][]byte{[]byte(parts[1]), []byte(parts[3]), []byte(parts[4]), material},
		Name:     fmt.Sprintf("%s (%s)", *about.Arn, materialName(material)),
		Created:  created, WrapLen: b.wrapLen, DeletionDate: sdk.ToTime(about.DeletionDate),
	}, nil
}

// Wrap encrypts under the key of version and makes sure that its material was not rotated meanwhile.
func (b *Backend) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	if err := connect.CheckKey(key); err != nil {
		return nil, err
	}
	if len(version.Identity) != 4 {
		return nil, connect.Foreign()
	}
	arn := fmt.Sprintf("arn:%s:kms:%s:%s:key/%s", version.Identity[0], b.config.region(), version.Identity[1], version.Identity[2])
	if !keyARN().MatchString(arn) {
		return nil, connect.Foreign()
	}
	answer, seen, err := b.encrypt(ctx, "wrap", arn, key, label)
	if err != nil {
		return nil, err
	}
	if sdk.ToString(answer.KeyId) != arn {
		return nil, seen.Fail(kek.Changed, "wrap", "", fmt.Errorf("%s encrypted, %s was asked for", sdk.ToString(answer.KeyId), arn))
	}
	if err := b.sameMaterial(ctx, arn, version.Identity[3], answer.CiphertextBlob); err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.wrapLen = len(answer.CiphertextBlob)
	b.mu.Unlock()
	return answer.CiphertextBlob, nil
}

func (b *Backend) encrypt(ctx context.Context, op, arn string, key []byte, label string) (*kms.EncryptOutput, *connect.Seen, error) {
	return call(ctx, b, op, func(ctx context.Context) (*kms.EncryptOutput, error) {
		return b.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &arn, Plaintext: key, EncryptionContext: map[string]string{contextName: label}})
	})
}

// Unwrap decrypts with the keys of the configuration, and with no other that a blob may name.
func (b *Backend) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	key, err := b.decrypt(ctx, wrap, map[string]string{contextName: label})
	if err != nil {
		return nil, err
	}
	if err := connect.CheckUnwrapped(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Decrypt decrypts what another plugin had this key encrypt, under its encryption context. KMS knows no other associated data.
func (b *Backend) Decrypt(ctx context.Context, ciphertext, _ []byte, encryptionContext map[string]string) ([]byte, error) {
	return b.decrypt(ctx, ciphertext, encryptionContext)
}

func (b *Backend) decrypt(ctx context.Context, blob []byte, encryptionContext map[string]string) ([]byte, error) {
	if len(blob) == 0 || len(blob) > longestBlob {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap has %d bytes, 1 to %d are possible", len(blob), longestBlob)}
	}
	keys, err := b.keys(ctx)
	if err != nil {
		return nil, err
	}
	for _, arn := range keys {
		answer, seen, failed := call(ctx, b, "unwrap", func(ctx context.Context) (*kms.DecryptOutput, error) {
			return b.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &arn, CiphertextBlob: blob, EncryptionContext: encryptionContext})
		})
		if failed == nil {
			if sdk.ToString(answer.KeyId) != arn {
				clear(answer.Plaintext)
				return nil, seen.Fail(kek.Integrity, "unwrap", "", fmt.Errorf("%s decrypted, %s was asked for", sdk.ToString(answer.KeyId), arn))
			}
			return answer.Plaintext, nil
		}
		err = failed
		var why *refused
		if !errors.As(failed, &why) || !why.wrongKey {
			return nil, failed
		}
	}
	return nil, err
}

// keys are the ARNs that may decrypt, the current one first.
func (b *Backend) keys(ctx context.Context) ([]string, error) {
	b.mu.Lock()
	first, former := b.resolved, slices.Clone(b.former)
	b.mu.Unlock()
	if first == "" {
		about, _, err := b.describe(ctx, "unwrap", b.config.Key)
		if err != nil {
			return nil, err
		}
		first = *about.Arn
		b.mu.Lock()
		if b.resolved == "" {
			b.resolved = first
		}
		b.mu.Unlock()
	}
	return append([]string{first}, former...), nil
}

// Close ends the connections.
func (b *Backend) Close() error {
	if b.gate.Shut() {
		b.transport.CloseIdleConnections()
	}
	return nil
}
