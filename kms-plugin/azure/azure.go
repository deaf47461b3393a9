// Package azure is a KEK in Azure Key Vault or Managed HSM: an RSA key, with RSA-OAEP-256.
//
// A wrap is the raw result of encrypt: as long as the modulus, and nothing in it says which version made it. RSA binds no label.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// mostVersions bounds how many versions are tried for one wrap, and mostRemembered how many labels are kept.
const (
	mostVersions   = 64
	mostRemembered = 4096
)

// Backend is one key.
type Backend struct {
	config Config
	host   string
	http   *http.Client
	client *azkeys.Client
	gate   connect.Gate

	mu sync.Mutex
	// current is the version of the last Current, and used is which version opened wraps of a label: the label has the set's id,
	// and a set has one version.
	current string
	used    map[string]string
}

// New makes the backend and calls nobody.
func New(_ context.Context, config Config) (*Backend, error) {
	client, err := config.Connect.Client()
	if err != nil {
		return nil, err
	}
	options := config.options(client)
	login, err := config.credential(options)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	keys, err := azkeys.NewClient(config.Vault, login, &azkeys.ClientOptions{ClientOptions: options, DisableChallengeResourceVerification: config.AnyVaultDomain})
	if err != nil {
		return nil, err
	}
	return &Backend{config: config, host: config.host(), http: client, client: keys, current: config.Version, used: map[string]string{}}, nil
}

// Kind is kek.Azure.
func (b *Backend) Kind() kek.Kind { return kek.Azure }

// call runs a request. The SDK refreshes a token that was refused, once.
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
	if err != nil {
		return none, seen, fail(op, seen, err)
	}
	return answer, seen, nil
}

// Current looks up the pinned version or the newest. Beside the error of a soft-deleted key stands a version with the date alone.
func (b *Backend) Current(ctx context.Context) (kek.Version, error) {
	answer, seen, err := call(ctx, b, "current", func(ctx context.Context) (azkeys.GetKeyResponse, error) {
		return b.client.GetKey(ctx, b.config.Key, b.config.Version, nil)
	})
	if err != nil {
		if kek.ClassOf(err) == kek.Deleted {
			return b.softDeleted(ctx, err)
		}
		return kek.Version{}, err
	}
	wrong := func(class kek.Class, format string, values ...any) error {
		return seen.Fail(class, "current", seen.Header("X-Ms-Request-Id"), fmt.Errorf(format, values...))
	}
	key := answer.Key
	if key == nil || key.KID == nil || key.Kty == nil || !b.owns(key.KID) {
		return kek.Version{}, wrong(kek.Misconfigured, "the vault described another key than %s", b.config.Key)
	}
	size := len(key.N)
	if (*key.Kty != azkeys.KeyTypeRSA && *key.Kty != azkeys.KeyTypeRSAHSM) || !modulus(size) {
		return kek.Version{}, wrong(kek.Misconfigured, "key %s has type %s and %d bits, RSA of 2048, 3072 or 4096 bits is needed", b.config.Key, *key.Kty, 8*size)
	}
	version := kek.Version{
		Identity: [][]byte{[]byte(b.host), []byte(b.config.Key), []byte(key.KID.Version())},
		Name:     fmt.Sprintf("%s/keys/%s/%s", b.host, b.config.Key, key.KID.Version()),
		WrapLen:  size,
	}
	if about := answer.Attributes; about != nil {
		if about.Created != nil {
			version.Created = *about.Created
		}
		switch now := time.Now(); {
		case about.Enabled != nil && !*about.Enabled:
			return kek.Version{}, wrong(kek.Disabled, "%s is disabled: enable it", version.Name)
		case about.Expires != nil && !about.Expires.After(now):
			return kek.Version{}, wrong(kek.Disabled, "%s expired at %s: it wraps nothing any more", version.Name, about.Expires.UTC().Format(time.RFC3339))
		case about.NotBefore != nil && about.NotBefore.After(now):
			return kek.Version{}, wrong(kek.Disabled, "%s is not valid before %s", version.Name, about.NotBefore.UTC().Format(time.RFC3339))
		}
	}
	b.mu.Lock()
	b.current = key.KID.Version()
	b.mu.Unlock()
	return version, nil
}

func modulus(size int) bool { return size == 256 || size == 384 || size == 512 }

// softDeleted turns the error of a key that is gone into that of one which can be recovered, where the vault says so.
func (b *Backend) softDeleted(ctx context.Context, gone error) (kek.Version, error) {
	answer, seen, err := call(ctx, b, "current", func(ctx context.Context) (azkeys.GetDeletedKeyResponse, error) {
		return b.client.GetDeletedKey(ctx, b.config.Key, nil)
	})
	if err != nil || answer.ScheduledPurgeDate == nil {
		return kek.Version{}, gone
	}
	return kek.Version{Name: b.host + "/keys/" + b.config.Key, DeletionDate: *answer.ScheduledPurgeDate}, seen.Fail(kek.Disabled, "current", seen.Header("X-Ms-Request-Id"),
		fmt.Errorf("key %s is soft-deleted and will be purged at %s: recover it", b.config.Key, answer.ScheduledPurgeDate.UTC().Format(time.RFC3339)))
}

// owns says whether the vault speaks of the configured key.
func (b *Backend) owns(id *azkeys.ID) bool {
	at, err := url.Parse(string(*id))
	return err == nil && strings.EqualFold(at.Host, b.host) && strings.EqualFold(id.Name(), b.config.Key) && keyVersion().MatchString(id.Version())
}

// Wrap encrypts with the version.
func (b *Backend) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	if err := connect.CheckKey(key); err != nil {
		return nil, err
	}
	if !b.config.Owns(version.Identity) {
		return nil, connect.Foreign()
	}
	number, algorithm := string(version.Identity[2]), azkeys.EncryptionAlgorithmRSAOAEP256
	answer, seen, err := call(ctx, b, "wrap", func(ctx context.Context) (azkeys.EncryptResponse, error) {
		return b.client.Encrypt(ctx, b.config.Key, number, azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: key}, nil)
	})
	if err != nil {
		return nil, err
	}
	if answer.KID == nil || !b.owns(answer.KID) || answer.KID.Version() != number {
		return nil, seen.Fail(kek.Changed, "wrap", seen.Header("X-Ms-Request-Id"), errors.New("another version encrypted than the one asked for"))
	}
	if !modulus(len(answer.Result)) {
		return nil, seen.Fail(kek.Misconfigured, "wrap", "", fmt.Errorf("the result has %d bytes, 256, 384 or 512 are possible", len(answer.Result)))
	}
	b.remember(label, number)
	return answer.Result, nil
}

// Unwrap tries the version that opened this label before, then the current one, then the key's others, newest first.
func (b *Backend) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	key, err := b.decrypt(ctx, wrap, label)
	if err != nil {
		return nil, err
	}
	if err := connect.CheckUnwrapped(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Decrypt decrypts what kubernetes-kms had this key encrypt with RSA-OAEP-256: the raw bytes, not their base64.
func (b *Backend) Decrypt(ctx context.Context, ciphertext, _ []byte, _ map[string]string) ([]byte, error) {
	return b.decrypt(ctx, ciphertext, "")
}

func (b *Backend) decrypt(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	if !modulus(len(wrap)) {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap has %d bytes, one of RSA has 256, 384 or 512", len(wrap))}
	}
	b.mu.Lock()
	first := []string{b.used[label], b.current}
	b.mu.Unlock()
	var tried []string
	var worst error
	try := func(version string) ([]byte, error) {
		if version == "" || slices.Contains(tried, version) || len(tried) >= mostVersions {
			return nil, nil
		}
		tried = append(tried, version)
		algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
		answer, _, err := call(ctx, b, "unwrap", func(ctx context.Context) (azkeys.DecryptResponse, error) {
			return b.client.Decrypt(ctx, b.config.Key, version, azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: wrap}, nil)
		})
		if err == nil {
			b.remember(label, version)
			return answer.Result, nil
		}
		switch class := kek.ClassOf(err); {
		case class == kek.Integrity:
			if worst == nil {
				worst = err
			}
		case class == kek.Disabled || class == kek.Deleted:
			// Perhaps the version that made it: then this is the reason to tell.
			worst = err
		default:
			return nil, err
		}
		return nil, nil
	}
	for _, version := range first {
		if key, err := try(version); key != nil || err != nil {
			return key, err
		}
	}
	others, err := b.versions(ctx)
	if err != nil {
		return nil, err
	}
	for _, version := range others {
		if key, err := try(version); key != nil || err != nil {
			return key, err
		}
	}
	if worst == nil {
		worst = &kek.Error{Class: kek.Deleted, Op: "unwrap", Err: fmt.Errorf("key %s has no version", b.config.Key)}
	}
	return nil, worst
}

// versions lists those of the key, newest first.
func (b *Backend) versions(ctx context.Context) ([]string, error) {
	type known struct {
		version string
		created time.Time
	}
	var found []known
	for pager := b.client.NewListKeyPropertiesVersionsPager(b.config.Key, nil); pager.More() && len(found) < 1000; {
		page, _, err := call(ctx, b, "unwrap", func(ctx context.Context) (azkeys.ListKeyPropertiesVersionsResponse, error) {
			return pager.NextPage(ctx)
		})
		if err != nil {
			return nil, err
		}
		for _, entry := range page.Value {
			if entry == nil || entry.KID == nil || !b.owns(entry.KID) {
				continue
			}
			one := known{version: entry.KID.Version()}
			if entry.Attributes != nil && entry.Attributes.Created != nil {
				one.created = *entry.Attributes.Created
			}
			found = append(found, one)
		}
	}
	slices.SortStableFunc(found, func(a, b known) int { return b.created.Compare(a.created) })
	var names []string
	for _, one := range found {
		names = append(names, one.version)
	}
	return names, nil
}

func (b *Backend) remember(label, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.used) >= mostRemembered {
		clear(b.used)
	}
	b.used[label] = version
}

// Close ends the connections.
func (b *Backend) Close() error {
	if b.gate.Shut() {
		b.http.CloseIdleConnections()
	}
	return nil
}
