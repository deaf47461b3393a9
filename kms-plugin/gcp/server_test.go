package gcp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
)

const keyName = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/kek"

// cloud implements the part of Cloud KMS that the backend calls, by the API's reference: AES-256-GCM with additional data,
// versions and their states, CRC32C, and ciphertexts of the shape of the real ones. It checks the callers' tokens.
type cloud struct {
	kmspb.UnimplementedKeyManagementServiceServer

	address   string
	authority *testtls.Authority
	signer    *rsa.PrivateKey
	listener  *cutter

	mu       sync.Mutex
	purpose  kmspb.CryptoKey_CryptoKeyPurpose
	versions []*version
	primary  int
	fault    func(ctx context.Context, method string) error
	change   func(answer any)
	calls    int
	skew     time.Duration
}

type version struct {
	about *kmspb.CryptoKeyVersion
	key   [32]byte
}

func start(t *testing.T) *cloud {
	t.Helper()
	authority := testtls.New(t)
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{
		authority: authority, signer: signer, listener: &cutter{Listener: listener}, address: listener.Addr().String(),
		purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
	}
	c.rotate()
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(authority.Server(t))), grpc.UnaryInterceptor(c.intercept))
	kmspb.RegisterKeyManagementServiceServer(server, c)
	go func() { _ = server.Serve(c.listener) }()
	t.Cleanup(server.Stop)
	return c
}

// cutter keeps the connections, to cut them.
type cutter struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cutter) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func (c *cloud) rotate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := &version{about: &kmspb.CryptoKeyVersion{
		Name: fmt.Sprintf("%s/cryptoKeyVersions/%d", keyName, len(c.versions)+1), State: kmspb.CryptoKeyVersion_ENABLED,
		CreateTime: timestamppb.Now(), Algorithm: kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION,
	}}
	_, _ = rand.Read(made.key[:])
	c.versions = append(c.versions, made)
	c.primary = len(c.versions) - 1
}

func (c *cloud) set(fault func(context.Context, string) error, change func(any)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.change, c.calls, c.skew = fault, change, 0, 0
}

func (c *cloud) state(number int, state kmspb.CryptoKeyVersion_CryptoKeyVersionState, destroy *timestamppb.Timestamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.versions[number-1].about.State, c.versions[number-1].about.DestroyTime = state, destroy
}

func (c *cloud) intercept(ctx context.Context, request any, about *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	c.mu.Lock()
	fault, change, skew := c.fault, c.change, c.skew
	c.calls++
	c.mu.Unlock()
	_ = grpc.SetHeader(ctx, metadata.Pairs("date", time.Now().Add(skew).UTC().Format(http.TimeFormat)))
	if err := c.checkToken(ctx); err != nil {
		return nil, err
	}
	if fault != nil {
		if err := fault(ctx, about.FullMethod); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	answer, err := handler(ctx, request)
	c.mu.Unlock()
	if err == nil && change != nil {
		change(answer)
	}
	return answer, err
}

// checkToken verifies the signed token of a service account.
func (c *cloud) checkToken(ctx context.Context) error {
	refused := status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
	pairs, _ := metadata.FromIncomingContext(ctx)
	parts := strings.Split(strings.TrimPrefix(strings.Join(pairs.Get("authorization"), ""), "Bearer "), ".")
	if len(parts) != 3 {
		return refused
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return refused
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	c.mu.Lock()
	signer := c.signer
	c.mu.Unlock()
	if rsa.VerifyPKCS1v15(&signer.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return refused
	}
	return nil
}

func (c *cloud) GetCryptoKey(_ context.Context, request *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	if request.GetName() != keyName {
		return nil, status.Errorf(codes.NotFound, "CryptoKey %s not found.", request.GetName())
	}
	key := &kmspb.CryptoKey{Name: keyName, Purpose: c.purpose}
	if c.primary >= 0 {
		key.Primary = c.versions[c.primary].about
	}
	return key, nil
}

func (v *version) usable() error {
	if v.about.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		return status.Errorf(codes.FailedPrecondition, "%s is not enabled, current state is: %s.", v.about.GetName(), v.about.GetState())
	}
	return nil
}

func (v *version) aead(salt []byte) cipher.AEAD {
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write(salt)
	block, _ := aes.NewCipher(mac.Sum(nil))
	aead, _ := cipher.NewGCM(block)
	return aead
}

// id is 35 bytes that name the version, as the real ciphertexts have at this place.
func (v *version) id() []byte {
	sum := sha256.Sum256([]byte(v.about.GetName()))
	return append(sum[:], 0, 0, 0)
}

func fits(sum *wrapperspb.Int64Value, data []byte) bool {
	return sum == nil || sum.GetValue() == checksum(data)
}

func (c *cloud) Encrypt(_ context.Context, request *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	var with *version
	for i, v := range c.versions {
		if request.GetName() == v.about.GetName() || (request.GetName() == keyName && i == c.primary) {
			with = v
		}
	}
	if with == nil {
		return nil, status.Errorf(codes.NotFound, "%s not found.", request.GetName())
	}
	if err := with.usable(); err != nil {
		return nil, err
	}
	if !fits(request.GetPlaintextCrc32C(), request.GetPlaintext()) || !fits(request.GetAdditionalAuthenticatedDataCrc32C(), request.GetAdditionalAuthenticatedData()) {
		return nil, status.Error(codes.InvalidArgument, "The checksum in field plaintext_crc32c did not match the data in field plaintext.")
	}
	random := make([]byte, 24)
	_, _ = rand.Read(random)
	head := append([]byte{0x0a, 0x24, 0}, with.id()...)
	head = append(head, 0x12, 0x49, 0)
	text := append(bytes.Clone(head), random...)
	text = with.aead(random[:12]).Seal(text, random[12:], request.GetPlaintext(), append(head, request.GetAdditionalAuthenticatedData()...))
	return &kmspb.EncryptResponse{
		Name: with.about.GetName(), Ciphertext: text, CiphertextCrc32C: wrapperspb.Int64(checksum(text)),
		VerifiedPlaintextCrc32C: request.GetPlaintextCrc32C() != nil, VerifiedAdditionalAuthenticatedDataCrc32C: request.GetAdditionalAuthenticatedDataCrc32C() != nil,
	}, nil
}

func (c *cloud) Decrypt(_ context.Context, request *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	if request.GetName() != keyName {
		return nil, status.Errorf(codes.NotFound, "%s not found.", request.GetName())
	}
	text := request.GetCiphertext()
	if !fits(request.GetCiphertextCrc32C(), text) || !fits(request.GetAdditionalAuthenticatedDataCrc32C(), request.GetAdditionalAuthenticatedData()) {
		return nil, status.Error(codes.InvalidArgument, "The checksum in field ciphertext_crc32c did not match the data in field ciphertext.")
	}
	invalid := status.Error(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	const head = 41
	if len(text) < head+24+16 {
		return nil, invalid
	}
	for _, v := range c.versions {
		if !bytes.Equal(text[3:38], v.id()) {
			continue
		}
		if err := v.usable(); err != nil {
			return nil, err
		}
		plain, err := v.aead(text[head:head+12]).Open(nil, text[head+12:head+24], text[head+24:], append(bytes.Clone(text[:head]), request.GetAdditionalAuthenticatedData()...))
		if err != nil {
			return nil, invalid
		}
		return &kmspb.DecryptResponse{Plaintext: plain, PlaintextCrc32C: wrapperspb.Int64(checksum(plain)), UsedPrimary: v == c.versions[c.primary]}, nil
	}
	return nil, invalid
}

// account writes the JSON of a service account that the server knows.
func (c *cloud) account(t *testing.T, path string, signer *rsa.PrivateKey) {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "client_email": "kms@p.iam.gserviceaccount.com", "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		"token_uri":   "https://127.0.0.1:1/token", "universe_domain": "googleapis.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) config(t *testing.T) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "account.json")
	c.account(t, file, c.signer)
	return Config{
		Key: keyName, CredentialsFile: file, Endpoint: c.address,
		Connect: connect.Config{CAFile: c.authority.File, Proxy: "none", Timeout: 30 * time.Second},
	}
}

func open(t *testing.T, config Config) *Backend {
	t.Helper()
	if problems := config.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is refused: %+v", problems)
	}
	backend, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}
