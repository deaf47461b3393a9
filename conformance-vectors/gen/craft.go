package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/nacl/secretbox"
)

// The functions here build inputs out of standard primitives, so that a case can
// hold values no writer would make. What a value means is always recorded from
// the real readers.

const (
	prefixCBC = "k8s:enc:aescbc:v1:"
	prefixGCM = "k8s:enc:aesgcm:v1:"
	prefixBox = "k8s:enc:secretbox:v1:"
	prefixV1  = "k8s:enc:kms:v1:"
	prefixV2  = "k8s:enc:kms:v2:"
)

func cat(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			out = append(out, v...)
		case []byte:
			out = append(out, v...)
		case byte:
			out = append(out, v)
		default:
			fatal("cat: %T", p)
		}
	}
	return out
}

func block(key []byte) cipher.Block {
	b, err := aes.NewCipher(key)
	if err != nil {
		fatal("%v", err)
	}
	return b
}

// cbcRaw is IV and CBC of padded, which must be whole blocks.
func cbcRaw(key, iv, padded []byte) []byte {
	out := make([]byte, len(padded))
	cipher.NewCBCEncrypter(block(key), iv).CryptBlocks(out, padded)
	return cat(iv, out)
}

func pad(p []byte) []byte {
	n := 16 - len(p)%16
	out := append([]byte{}, p...)
	for range n {
		out = append(out, byte(n))
	}
	return out
}

func cbc(key, iv, plain []byte) []byte { return cbcRaw(key, iv, pad(plain)) }

func gcm(key, nonce, plain, aad []byte) []byte {
	g, err := cipher.NewGCM(block(key))
	if err != nil {
		fatal("%v", err)
	}
	return g.Seal(append([]byte{}, nonce...), nonce, plain, aad)
}

func box(key, nonce, plain []byte) []byte {
	var k [32]byte
	var n [24]byte
	copy(k[:], key)
	copy(n[:], nonce)
	return secretbox.Seal(append([]byte{}, nonce...), plain, &n, &k)
}

// xnonce is the KMS v2 seed form: info, then GCM under the derived key.
func xnonce(seed, info, nonce, plain, aad []byte) []byte {
	m := hmac.New(sha256.New, seed)
	m.Write(info)
	m.Write([]byte{1})
	return cat(info, gcm(m.Sum(nil), nonce, plain, aad))
}

// v1Body puts the two-byte length and the encrypted DEK before a body.
func v1Body(edek, body []byte) []byte {
	return cat(binary.BigEndian.AppendUint16(nil, uint16(len(edek))), edek, body)
}

// object is a KMS v2 EncryptedObject as the writer lays it out.
type object struct {
	data        []byte
	keyID       string
	edek        []byte
	annotations [][2]string // in the order written
	typ         uint64
}

func (o object) marshal() []byte {
	var b []byte
	if len(o.data) > 0 {
		b = append(b, field(1, o.data)...)
	}
	if o.keyID != "" {
		b = append(b, field(2, []byte(o.keyID))...)
	}
	if len(o.edek) > 0 {
		b = append(b, field(3, o.edek)...)
	}
	for _, a := range o.annotations {
		b = append(b, field(4, cat(field(1, []byte(a[0])), field(2, []byte(a[1]))))...)
	}
	if o.typ != 0 {
		b = append(b, varintField(5, o.typ)...)
	}
	return b
}

func tag(number, wire uint64) []byte { return binary.AppendUvarint(nil, number<<3|wire) }

// field is a length-delimited protobuf field.
func field(number uint64, v []byte) []byte {
	return cat(tag(number, 2), binary.AppendUvarint(nil, uint64(len(v))), v)
}

func varintField(number, v uint64) []byte {
	return cat(tag(number, 0), binary.AppendUvarint(nil, v))
}

// flip returns b with one bit turned over.
func flip(b []byte, at int, bit uint) []byte {
	out := append([]byte{}, b...)
	if at < 0 {
		at += len(out)
	}
	out[at] ^= 1 << bit
	return out
}

// cbcPlain decrypts IV and whole blocks without looking at the padding.
func cbcPlain(key, v []byte) []byte {
	out := make([]byte, len(v)-16)
	cipher.NewCBCDecrypter(block(key), v[:16]).CryptBlocks(out, v[16:])
	return out
}
