// Package vault is a KEK in the Transit engine of HashiCorp Vault or OpenBao.
//
// A wrap is binary: the key version in 2 bytes, big endian, then nonce (12), ciphertext (32) and tag (16), which Vault's text
// holds in base64.
package vault

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const (
	versionLen = 2
	sealedLen  = 12 + connect.KeyLen + 16
	// WrapLen is how long a wrap is, in bytes.
	WrapLen = versionLen + sealedLen
	prefix  = "vault:v"
)

var (
	errEnding   = errors.New("the token ends and cannot be renewed: its file must get another one")
	errLongest  = errors.New("the token is near the end of its longest life")
	nothingSeen = &connect.Seen{}
)

// Backend is one Transit key.
type Backend struct {
	config   Config
	http     *http.Client
	sessions *sessions
	gate     connect.Gate
}

// New makes the backend and starts to keep its token alive. It makes no call itself, so that the plugin starts while Vault is down.
func New(_ context.Context, config Config) (*Backend, error) {
	client, err := config.Connect.Client()
	if err != nil {
		return nil, err
	}
	b := &Backend{config: config, http: client, sessions: newSessions()}
	ctx, stop := context.WithCancel(context.Background())
	b.sessions.stop = stop
	go b.renewing(ctx)
	return b, nil
}

// Kind is kek.Transit.
func (b *Backend) Kind() kek.Kind { return kek.Transit }

// call runs one request with the current token, and once more after a login where Vault refused it.
func (b *Backend) call(ctx context.Context, op string, request func(context.Context, *api.Logical) (*api.Secret, error)) (*api.Secret, *connect.Seen, error) {
	if err := b.gate.Check(op); err != nil {
		return nil, nil, err
	}
	held, err := b.session(ctx)
	if err != nil {
		return nil, nil, fail(op, nothingSeen, err)
	}
	watched, seen := connect.Watch(ctx)
	answer, err := request(watched, held.client.Logical())
	if err == nil {
		return answer, seen, nil
	}
	failure := fail(op, seen, err)
	if failure.Class != kek.Denied {
		return nil, seen, failure
	}
	fresh, err := b.refresh(ctx, held)
	if err != nil {
		return nil, seen, fail(op, seen, err)
	}
	if fresh == nil {
		return nil, seen, failure
	}
	answer, err = request(watched, fresh.client.Logical())
	if err != nil {
		return nil, seen, fail(op, seen, err)
	}
	return answer, seen, nil
}

// Current reads the key's description.
func (b *Backend) Current(ctx context.Context) (kek.Version, error) {
	answer, seen, err := b.call(ctx, "current", func(ctx context.Context, logical *api.Logical) (*api.Secret, error) {
		// The SDK's simple read answers nothing for 404, whatever is missing.
		raw, err := logical.ReadRawWithContext(ctx, b.config.mount()+"/keys/"+b.config.Key)
		if raw != nil {
			defer raw.Body.Close()
		}
		if err != nil {
			return nil, err
		}
		return api.ParseSecret(raw.Body)
	})
	if err != nil {
		return kek.Version{}, err
	}
	wrong := func(class kek.Class, format string, values ...any) error {
		return seen.Fail(class, "current", requestID(answer), fmt.Errorf(format, values...))
	}
	if answer == nil {
		return kek.Version{}, wrong(kek.Misconfigured, "the answer is empty")
	}
	kind, _ := answer.Data["type"].(string)
	derived, _ := answer.Data["derived"].(bool)
	if (kind != "aes256-gcm96" && kind != "chacha20-poly1305") || derived {
		return kek.Version{}, wrong(kek.Misconfigured, "key %s has type %q, derived %t; aes256-gcm96 or chacha20-poly1305 without derivation is needed", b.config.Key, kind, derived)
	}
	if soft, _ := answer.Data["soft_deleted"].(bool); soft {
		return kek.Version{}, wrong(kek.Disabled, "key %s is soft-deleted: restore it", b.config.Key)
	}
	latest, err := seconds(answer.Data["latest_version"])
	if err != nil || latest < 1 || latest > 0xffff {
		return kek.Version{}, wrong(kek.Misconfigured, "key %s has no version from 1 to 65535", b.config.Key)
	}
	versions, _ := answer.Data["keys"].(map[string]any)
	number := strconv.FormatInt(latest, 10)
	created, err := seconds(versions[number])
	if err != nil {
		return kek.Version{}, wrong(kek.Misconfigured, "version %s of key %s has no creation time", number, b.config.Key)
	}
	return kek.Version{
		Identity: [][]byte{
			[]byte(b.config.Instance), []byte(b.config.mountLabel()), []byte(b.config.Key), []byte(number), strconv.AppendInt(nil, created, 10),
		},
		Name:    fmt.Sprintf("%s/%s v%s", b.config.mount(), b.config.Key, number),
		Created: time.Unix(created, 0),
		WrapLen: WrapLen,
	}, nil
}

// Wrap names the version to encrypt with, and then makes sure that it is still the one of version: a key that was deleted and made
// anew has the same number.
func (b *Backend) Wrap(ctx context.Context, version kek.Version, key []byte, label string) ([]byte, error) {
	if err := connect.CheckKey(key); err != nil {
		return nil, err
	}
	if !b.config.Owns(version.Identity) {
		return nil, connect.Foreign()
	}
	number, err := strconv.ParseUint(string(version.Identity[3]), 10, 16)
	if err != nil {
		return nil, connect.Foreign()
	}
	answer, seen, err := b.call(ctx, "wrap", func(ctx context.Context, logical *api.Logical) (*api.Secret, error) {
		return logical.WriteWithContext(ctx, b.config.mount()+"/encrypt/"+b.config.Key, map[string]any{
			"plaintext":       base64.StdEncoding.EncodeToString(key),
			"associated_data": base64.StdEncoding.EncodeToString([]byte(label)),
			"key_version":     number,
		})
	})
	if err != nil {
		return nil, err
	}
	text, _ := field(answer, "ciphertext").(string)
	wrap, err := binaryOf(text)
	if err != nil {
		return nil, seen.Fail(kek.Misconfigured, "wrap", requestID(answer), err)
	}
	if made := binary.BigEndian.Uint16(wrap); uint64(made) != number {
		return nil, seen.Fail(kek.Changed, "wrap", requestID(answer), fmt.Errorf("version %d encrypted, %d was asked for", made, number))
	}
	now, err := b.Current(ctx)
	if err != nil {
		return nil, err
	}
	if string(now.Identity[3]) == string(version.Identity[3]) && string(now.Identity[4]) != string(version.Identity[4]) {
		return nil, seen.Fail(kek.Changed, "wrap", requestID(answer), fmt.Errorf("version %d is another one than before: the key was deleted and made anew", number))
	}
	return wrap, nil
}

// Unwrap rebuilds Vault's text and decrypts it.
func (b *Backend) Unwrap(ctx context.Context, wrap []byte, label string) ([]byte, error) {
	if len(wrap) != WrapLen {
		return nil, &kek.Error{Class: kek.Integrity, Op: "unwrap", Err: fmt.Errorf("the wrap has %d bytes, one of Transit has %d", len(wrap), WrapLen)}
	}
	text := prefix + strconv.Itoa(int(binary.BigEndian.Uint16(wrap))) + ":" + base64.StdEncoding.EncodeToString(wrap[versionLen:])
	key, err := b.decrypt(ctx, text, []byte(label))
	if err != nil {
		return nil, err
	}
	if err := connect.CheckUnwrapped(key); err != nil {
		return nil, err
	}
	return key, nil
}

// Decrypt decrypts what another plugin had this key encrypt: ciphertext is Vault's text. Transit knows no encryption context.
func (b *Backend) Decrypt(ctx context.Context, ciphertext, associatedData []byte, _ map[string]string) ([]byte, error) {
	return b.decrypt(ctx, string(ciphertext), associatedData)
}

func (b *Backend) decrypt(ctx context.Context, text string, associatedData []byte) ([]byte, error) {
	data := map[string]any{"ciphertext": text}
	if len(associatedData) > 0 {
		data["associated_data"] = base64.StdEncoding.EncodeToString(associatedData)
	}
	answer, seen, err := b.call(ctx, "unwrap", func(ctx context.Context, logical *api.Logical) (*api.Secret, error) {
		return logical.WriteWithContext(ctx, b.config.mount()+"/decrypt/"+b.config.Key, data)
	})
	if err != nil {
		return nil, err
	}
	plain, ok := field(answer, "plaintext").(string)
	if !ok {
		return nil, seen.Fail(kek.Misconfigured, "unwrap", requestID(answer), errors.New("the answer has no plaintext"))
	}
	key, err := base64.StdEncoding.DecodeString(plain)
	if err != nil {
		return nil, seen.Fail(kek.Misconfigured, "unwrap", requestID(answer), errors.New("the plaintext is no base64"))
	}
	return key, nil
}

// Close stops the renewal and drops the token. A token that was made by a login ends with its lease.
func (b *Backend) Close() error {
	if !b.gate.Shut() {
		return nil
	}
	b.sessions.stop()
	<-b.sessions.done
	if held := b.sessions.current(); held != nil {
		held.client.ClearToken()
	}
	b.http.CloseIdleConnections()
	return nil
}

func binaryOf(text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, prefix)
	number, sealed, both := strings.Cut(rest, ":")
	version, err := strconv.ParseUint(number, 10, 16)
	if !ok || !both || err != nil || version == 0 {
		return nil, errors.New("the ciphertext has another form than vault:v<version>:<base64>")
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) != sealedLen {
		return nil, fmt.Errorf("the ciphertext holds %d bytes, %d are needed", len(raw), sealedLen)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(version)), raw...), nil
}

func field(answer *api.Secret, name string) any {
	if answer == nil {
		return nil
	}
	return answer.Data[name]
}

func requestID(answer *api.Secret) string {
	if answer == nil {
		return ""
	}
	return answer.RequestID
}
