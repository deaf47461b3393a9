package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

const scope = "https://www.googleapis.com/auth/cloudkms"

// refreshPause is the least time between two refreshes of credentials that were refused.
const refreshPause = 5 * time.Second

// bearer puts the token of Application Default Credentials on each call. They are looked up at the first one, and again when KMS
// refuses them, so that a replaced file needs no restart.
type bearer struct {
	config Config
	client *http.Client

	mu    sync.Mutex
	found *auth.Credentials
	last  time.Time
}

func newBearer(config Config) (*bearer, error) {
	client, err := config.Connect.Client()
	if err != nil {
		return nil, err
	}
	return &bearer{config: config, client: client}, nil
}

// again forgets the credentials and says whether the call is worth another try.
func (b *bearer) again() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.last) < refreshPause {
		return false
	}
	b.last, b.found = time.Now(), nil
	return true
}

func (b *bearer) credentials() (*auth.Credentials, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found != nil {
		return b.found, nil
	}
	options := &credentials.DetectOptions{Scopes: []string{scope}, UseSelfSignedJWT: true, Client: b.client}
	if b.config.CredentialsFile != "" {
		text, err := os.ReadFile(b.config.CredentialsFile)
		if err != nil {
			return nil, err
		}
		defer clear(text)
		options.CredentialsJSON = text
	}
	found, err := credentials.DetectDefault(options)
	if err != nil {
		return nil, err
	}
	b.found = found
	return found, nil
}

// GetRequestMetadata is what gRPC calls for each request.
func (b *bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	found, err := b.credentials()
	if err != nil {
		return nil, &kek.Error{Class: kek.Misconfigured, Op: "login", Err: fmt.Errorf("no credentials: %w", err)}
	}
	token, err := found.Token(ctx)
	if err != nil {
		return nil, status.Error(codeOf(err), "no token could be had for the credentials")
	}
	pairs := map[string]string{"authorization": token.Type + " " + token.Value}
	if token.Type == "" {
		pairs["authorization"] = "Bearer " + token.Value
	}
	if b.config.QuotaProject != "" {
		pairs["x-goog-user-project"] = b.config.QuotaProject
	}
	return pairs, nil
}

// RequireTransportSecurity keeps tokens off connections without TLS.
func (b *bearer) RequireTransportSecurity() bool { return true }

// codeOf is Unauthenticated where the token's issuer refused, and Unavailable where it could not be reached.
func codeOf(err error) codes.Code {
	var refusal *auth.Error
	if errors.As(err, &refusal) && refusal.Response != nil && refusal.Response.StatusCode >= 400 && refusal.Response.StatusCode < 500 &&
		refusal.Response.StatusCode != http.StatusTooManyRequests {
		return codes.Unauthenticated
	}
	return codes.Unavailable
}
