package main

import (
	"bufio"
	"context"
	"crypto/aes"
	"crypto/cipher"
	stdhkdf "crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/hkdf"
	"golang.org/x/crypto/nacl/secretbox"

	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	secretboxtransformer "k8s.io/apiserver/pkg/storage/value/encrypt/secretbox"
	kmsservice "k8s.io/kms/pkg/service"
)

const (
	etcdKey = "/registry/secrets/team-042/secret-001234"
	sample  = 60 * time.Microsecond // a sample should end before the scheduler looks
	samples = 9
	lanes   = 8 // messages of a batch
)

// operation does one call and returns what it made, in memory that the next call may write over.
type operation func() ([]byte, error)

// worker answers one line `- FAMILY DIRECTION KEY SIZE` with nanoseconds a call and a digest of the result.
func worker() error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f := strings.Fields(in.Text())
		if len(f) != 5 {
			return fmt.Errorf("a line needs 5 words: %q", in.Text())
		}
		size, err := strconv.Atoi(f[4])
		if err != nil {
			return err
		}
		call, err := prepare(f[1], f[2], f[3], size)
		if err != nil {
			return err
		}
		ns, check, err := measure(call)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Text(), err)
		}
		if strings.HasPrefix(f[1], "value-") && f[2] == "seal" {
			check = "elsewhere" // the transformers draw their own nonces
		}
		if f[1] == "cbc8" {
			ns /= lanes
		}
		fmt.Printf("%.2f %s\n", ns, check)
	}
	return in.Err()
}

// measure takes samples of some sixty microseconds, a whole number of calls each, and returns their median.
func measure(call operation) (ns float64, check string, err error) {
	out, err := call()
	if err != nil {
		return 0, "", err
	}
	sum := sha256.Sum256(out)
	calls := 1
	for {
		spent, err := times(call, calls)
		if err != nil {
			return 0, "", err
		}
		if spent >= sample/2 {
			calls = max(1, int(float64(calls)*float64(sample)/float64(spent)))
			break
		}
		calls *= 2
	}
	all := make([]float64, samples)
	for i := range all {
		spent, err := times(call, calls)
		if err != nil {
			return 0, "", err
		}
		all[i] = float64(spent.Nanoseconds()) / float64(calls)
	}
	slices.Sort(all)
	return all[samples/2], fmt.Sprintf("%x", sum[:8]), nil
}

func times(call operation, n int) (time.Duration, error) {
	begin := time.Now()
	for range n {
		if _, err := call(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// pattern is what both programs encrypt: the same bytes in both.
func pattern(n, start int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(start + 7*i + i>>8)
	}
	return out
}

func prepare(family, direction, key string, size int) (operation, error) {
	seal, fresh := direction == "seal", key == "fresh"
	plain := pattern(size, 3)
	secret := pattern(32, 1)
	switch family {
	case "gcm":
		return gcmOperation(secret, plain, seal, fresh)
	case "cbc":
		return cbcOperation(secret, plain, seal, fresh, 1)
	case "cbc8":
		return cbcOperation(secret, plain, seal, fresh, lanes)
	case "secretbox":
		return secretboxOperation(secret, plain, seal)
	case "hkdf", "hkdf-std":
		derive := deriver(family)
		info := pattern(32, 9)
		return func() ([]byte, error) { return derive(secret, info) }, nil
	case "kmsv2", "kmsv2-std":
		return seedOperation(deriver(family), secret, plain, seal)
	}
	if name, ok := strings.CutPrefix(family, "value-"); ok {
		return valueOperation(name, secret, plain, seal, fresh)
	}
	return nil, fmt.Errorf("no operation %q", family)
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func gcmOperation(key, plain []byte, seal, fresh bool) (operation, error) {
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	nonce, aad := pattern(12, 5), []byte(etcdKey)
	box := aead.Seal(nil, nonce, plain, aad)
	out := make([]byte, 0, len(box))
	return func() ([]byte, error) {
		aead := aead
		if fresh {
			var err error
			if aead, err = newGCM(key); err != nil {
				return nil, err
			}
		}
		if seal {
			return aead.Seal(out, nonce, plain, aad), nil
		}
		return aead.Open(out, nonce, box, aad)
	}, nil
}

// cbcOperation does what kube-apiserver's cbc transformer does, without its allocations.
func cbcOperation(key, plain []byte, seal, fresh bool, messages int) (operation, error) {
	kept, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	iv := pattern(16, 5)
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	out := make([]byte, len(plain)+padding)
	encrypt := func(block cipher.Block) []byte {
		copy(out, plain)
		for i := len(plain); i < len(out); i++ {
			out[i] = byte(padding)
		}
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out
	}
	box := slices.Clone(encrypt(kept))
	decrypt := func(block cipher.Block) ([]byte, error) {
		copy(out, box)
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, out)
		pad := int(out[len(out)-1])
		if pad == 0 || pad > len(out) {
			return nil, errors.New("bad padding")
		}
		for _, b := range out[len(out)-pad:] {
			if int(b) != pad {
				return nil, errors.New("bad padding")
			}
		}
		return out[:len(out)-pad], nil
	}
	return func() (made []byte, err error) {
		block := kept
		if fresh {
			if block, err = aes.NewCipher(key); err != nil {
				return nil, err
			}
		}
		for range messages {
			if seal {
				made = encrypt(block)
			} else if made, err = decrypt(block); err != nil {
				return nil, err
			}
		}
		return made, nil
	}, nil
}

// secretboxOperation: a secretbox has no key set-up that could be kept.
func secretboxOperation(key, plain []byte, seal bool) (operation, error) {
	k, nonce := [32]byte(key), [24]byte(pattern(24, 5))
	box := secretbox.Seal(nil, plain, &nonce, &k)
	out := make([]byte, 0, len(box))
	return func() ([]byte, error) {
		if seal {
			return secretbox.Seal(out, plain, &nonce, &k), nil
		}
		made, ok := secretbox.Open(out, box, &nonce, &k)
		if !ok {
			return nil, errors.New("not opened")
		}
		return made, nil
	}, nil
}

// derive is kube-apiserver's sha256KDFExpandOnly.
func derive(seed, info []byte) ([]byte, error) {
	key := make([]byte, 32)
	_, err := io.ReadFull(hkdf.Expand(sha256.New, seed, info), key)
	return key, err
}

// deriver gives kube-apiserver's way to derive a key, or the shorter one of the standard library.
func deriver(family string) func(seed, info []byte) ([]byte, error) {
	if !strings.HasSuffix(family, "-std") {
		return derive
	}
	return func(seed, info []byte) ([]byte, error) {
		return stdhkdf.Expand(sha256.New, seed, string(info), 32)
	}
}

// seedOperation derives a key and uses it once, as KMS v2 does for a value that it has not just read.
func seedOperation(derive func(seed, info []byte) ([]byte, error), seed, plain []byte, seal bool) (operation, error) {
	info, nonce, aad := pattern(32, 9), pattern(12, 5), []byte(etcdKey)
	key, err := derive(seed, info)
	if err != nil {
		return nil, err
	}
	aead, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	box := aead.Seal(nil, nonce, plain, aad)
	out := make([]byte, 0, len(box))
	return func() ([]byte, error) {
		key, err := derive(seed, info)
		if err != nil {
			return nil, err
		}
		aead, err := newGCM(key)
		if err != nil {
			return nil, err
		}
		if seal {
			return aead.Seal(out, nonce, plain, aad), nil
		}
		return aead.Open(out, nonce, box, aad)
	}, nil
}

// kms answers what a plugin would; it is asked once.
type kms struct{ seed []byte }

func (k kms) Decrypt(context.Context, string, *kmsservice.DecryptRequest) ([]byte, error) {
	return k.seed, nil
}

func (k kms) Encrypt(context.Context, string, []byte) (*kmsservice.EncryptResponse, error) {
	return nil, errors.New("not asked")
}

func (k kms) Status(context.Context) (*kmsservice.StatusResponse, error) {
	return nil, errors.New("not asked")
}

// valueOperation runs the transformers that kube-apiserver runs, prefix and allocations included. It caches the key that KMS v2
// derives by etcd key: `kept` reads one value again and again, `fresh` reads two in turn under one etcd key, which misses.
func valueOperation(name string, secret, plain []byte, seal, fresh bool) (operation, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	var t value.Transformer
	prefix := "k8s:enc:" + name + ":v1:key1:"
	switch name {
	case "aesgcm":
		t, err = aestransformer.NewGCMTransformer(block)
	case "aescbc":
		t = aestransformer.NewCBCTransformer(block)
	case "secretbox":
		t = secretboxtransformer.NewSecretboxTransformer([32]byte(secret))
	case "kmsv2":
		prefix = "k8s:enc:kms:v2:vault:"
		var seeded value.Transformer
		seeded, err = aestransformer.NewHKDFExtendedNonceGCMTransformer(secret)
		state := kmsv2.State{
			Transformer: seeded, EncryptedObjectKeyID: "key-1", EncryptedObjectEncryptedDEKSource: pattern(96, 11),
			EncryptedObjectEncryptedDEKSourceType: 1, ExpirationTimestamp: time.Now().Add(24 * time.Hour), CacheKey: []byte("bench"),
		}
		t = kmsv2.NewEnvelopeTransformer(kms{secret}, "vault", func() (kmsv2.State, error) { return state, nil }, "bench")
	default:
		err = fmt.Errorf("no transformer %q", name)
	}
	if err != nil {
		return nil, err
	}
	chain := value.NewPrefixTransformers(errors.New("no matching prefix found"), value.PrefixTransformer{Prefix: []byte(prefix), Transformer: t})
	ctx, where := context.Background(), value.DefaultContext(etcdKey)
	if seal {
		return func() ([]byte, error) { return chain.TransformToStorage(ctx, plain, where) }, nil
	}
	var stored [2][]byte
	for i := range stored {
		if stored[i], err = chain.TransformToStorage(ctx, plain, where); err != nil {
			return nil, err
		}
	}
	turn := 0
	return func() ([]byte, error) {
		if fresh {
			turn = 1 - turn
		}
		made, _, err := chain.TransformFromStorage(ctx, stored[turn], where)
		return made, err
	}, nil
}
