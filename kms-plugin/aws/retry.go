package aws

import (
	"context"
	"errors"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
)

// onlySkew tries a second time where the clock was wrong, because the SDK then signs with the server's time, and never otherwise:
// the caller hedges.
type onlySkew struct{ sdk.NopRetryer }

var skewCodes = map[string]bool{
	"RequestTimeTooSkewed": true, "InvalidSignatureException": true, "SignatureDoesNotMatch": true, "RequestExpired": true,
	"RequestInTheFuture": true, "AuthFailure": true,
}

func (onlySkew) MaxAttempts() int { return 2 }

func (onlySkew) IsErrorRetryable(err error) bool {
	var coded smithy.APIError
	var marked interface{ RetryableError() bool }
	return errors.As(err, &coded) && skewCodes[coded.ErrorCode()] && errors.As(err, &marked) && marked.RetryableError()
}

func (onlySkew) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

func (onlySkew) GetRetryToken(context.Context, error) (func(error) error, error) {
	return func(error) error { return nil }, nil
}

func (onlySkew) GetAttemptToken(context.Context) (func(error) error, error) {
	return func(error) error { return nil }, nil
}

// refreshPause is the least time between two refreshes of credentials that were refused.
const refreshPause = 5 * time.Second

// refresher throws credentials away once they were refused.
type refresher struct {
	cache *sdk.CredentialsCache
	mu    sync.Mutex
	last  time.Time
}

// again says whether the call is worth another try with fresh credentials.
func (r *refresher) again() bool {
	if r.cache == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < refreshPause {
		return false
	}
	r.last = time.Now()
	r.cache.Invalidate()
	return true
}
