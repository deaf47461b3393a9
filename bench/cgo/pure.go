package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
	"golang.org/x/crypto/nacl/secretbox"
)

var errRefused = errors.New("refused")

// pure is what a Go program does by itself: the same work with crypto/* and x/crypto, ciphers kept where kube-apiserver keeps
// them.
type pure interface {
	open(stored []byte) ([]byte, error)
	seal(plain []byte) ([]byte, error)
}

type side struct {
	name   string
	config *k8senc.Config
	chain  *k8senc.Chain
	key    *k8senc.WriteKey
	pure   pure
}

func (s *side) close() {
	s.chain.Close()
	s.config.Close()
	if s.key != nil {
		s.key.Close()
	}
}

var secret = []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")

func newSide(name string) (*side, error) {
	block := name + `: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}`
	if name == "kms-v2" {
		block = `kms: {apiVersion: v2, name: p, endpoint: "unix:///run/kms.sock"}`
	}
	s := &side{name: name}
	var err error
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - " + block + "\n"
	if s.config, err = k8senc.ParseConfig([]byte(text), k8senc.ConfigOptions{}); err != nil {
		return nil, err
	}
	if s.chain, err = s.config.Chain("secrets"); err != nil {
		return nil, err
	}
	cipherBlock, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	switch name {
	case "aescbc":
		s.pure = &cbc{[]byte("k8s:enc:aescbc:v1:key1:"), cipherBlock}
	case "aesgcm":
		aead, err := cipher.NewGCM(cipherBlock)
		if err != nil {
			return nil, err
		}
		s.pure = &gcm{[]byte("k8s:enc:aesgcm:v1:key1:"), aead}
	case "secretbox":
		s.pure = &box{[]byte("k8s:enc:secretbox:v1:key1:"), [32]byte(secret)}
	default:
		answer := k8senc.EncryptAnswer{Ciphertext: bytes.Repeat([]byte{1}, 64), KeyID: "1"}
		if s.key, err = k8senc.NewSeedKey(secret, answer); err != nil {
			return nil, err
		}
		stored, err := s.chain.Seal(s.key, nil, []byte(etcdKey))
		if err != nil {
			return nil, err
		}
		needs, err := s.chain.Needs([]k8senc.Value{{Stored: stored, EtcdKey: []byte(etcdKey)}})
		if err != nil {
			return nil, err
		}
		for _, request := range needs {
			if err := s.chain.DEKs().Supply(request, bytes.Clone(secret)); err != nil {
				return nil, err
			}
		}
		s.pure = &seeded{prefix: []byte("k8s:enc:kms:v2:p:"), tail: stored[len(stored)-len(suffix(answer)):]}
	}
	return s, nil
}

type cbc struct {
	prefix []byte
	block  cipher.Block
}

func (c *cbc) open(stored []byte) ([]byte, error) {
	body, found := bytes.CutPrefix(stored, c.prefix)
	if !found || len(body) < 32 || len(body)%16 != 0 {
		return nil, errRefused
	}
	out := make([]byte, len(body)-16)
	cipher.NewCBCDecrypter(c.block, body[:16]).CryptBlocks(out, body[16:])
	pad := int(out[len(out)-1])
	if pad == 0 || pad > len(out) {
		return nil, errRefused
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errRefused
		}
	}
	return out[:len(out)-pad], nil
}

func (c *cbc) seal(plain []byte) ([]byte, error) {
	pad := 16 - len(plain)%16
	out := make([]byte, len(c.prefix)+16+len(plain)+pad)
	copy(out, c.prefix)
	body := out[len(c.prefix):]
	if _, err := rand.Read(body[:16]); err != nil {
		return nil, err
	}
	copy(body[16:], plain)
	for i := len(body) - pad; i < len(body); i++ {
		body[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(c.block, body[:16]).CryptBlocks(body[16:], body[16:])
	return out, nil
}

type gcm struct {
	prefix []byte
	aead   cipher.AEAD
}

func (g *gcm) open(stored []byte) ([]byte, error) {
	body, found := bytes.CutPrefix(stored, g.prefix)
	if !found || len(body) < 12 {
		return nil, errRefused
	}
	return g.aead.Open(nil, body[:12], body[12:], []byte(etcdKey))
}

func (g *gcm) seal(plain []byte) ([]byte, error) {
	out := make([]byte, len(g.prefix)+12, len(g.prefix)+12+len(plain)+16)
	copy(out, g.prefix)
	nonce := out[len(g.prefix):]
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return g.aead.Seal(out, nonce, plain, []byte(etcdKey)), nil
}

type box struct {
	prefix []byte
	key    [32]byte
}

func (b *box) open(stored []byte) ([]byte, error) {
	body, found := bytes.CutPrefix(stored, b.prefix)
	if !found || len(body) < 24 {
		return nil, errRefused
	}
	out, ok := secretbox.Open(nil, body[24:], (*[24]byte)(body[:24]), &b.key)
	if !ok {
		return nil, errRefused
	}
	return out, nil
}

func (b *box) seal(plain []byte) ([]byte, error) {
	out := make([]byte, len(b.prefix)+24, len(b.prefix)+24+len(plain)+secretbox.Overhead)
	copy(out, b.prefix)
	nonce := (*[24]byte)(out[len(b.prefix):])
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	return secretbox.Seal(out, plain, nonce, &b.key), nil
}

// seeded is KMS v2 in seed form less protobuf and the table of DEKs, which pure Go is spared.
type seeded struct{ prefix, tail []byte }

// suffix is what follows the data in a stored value: key_id, encrypted seed and type of the source.
func suffix(answer k8senc.EncryptAnswer) []byte {
	out := append([]byte{0x12, byte(len(answer.KeyID))}, answer.KeyID...)
	out = append(append(out, 0x1a, byte(len(answer.Ciphertext))), answer.Ciphertext...)
	return append(out, 0x28, 0x01)
}

func (s *seeded) aead(info []byte) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, secret, string(info), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (s *seeded) open(stored []byte) ([]byte, error) {
	body, found := bytes.CutPrefix(stored, s.prefix)
	if !found || len(body) < len(s.tail) {
		return nil, errRefused
	}
	body = body[1 : len(body)-len(s.tail)]
	// The length of the data, a varint.
	for len(body) > 0 && body[0] >= 0x80 {
		body = body[1:]
	}
	if len(body) < 45 {
		return nil, errRefused
	}
	body = body[1:]
	aead, err := s.aead(body[:32])
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, body[32:44], body[44:], []byte(etcdKey))
}

func (s *seeded) seal(plain []byte) ([]byte, error) {
	head := len(s.prefix) + 4
	out := make([]byte, head+44, head+44+len(plain)+16+len(s.tail))
	copy(out, s.prefix)
	random := out[head : head+44]
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	aead, err := s.aead(random[:32])
	if err != nil {
		return nil, err
	}
	return append(aead.Seal(out, random[32:44], plain, []byte(etcdKey)), s.tail...), nil
}
