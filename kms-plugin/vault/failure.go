package vault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/openbao/openbao/api/v2"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// refusals are what Transit says with status 400 (sdk/helper/keysutil/policy.go and builtin/logical/transit of both projects).
var refusals = []struct {
	text  string
	class kek.Class
	hint  string
}{
	{"message authentication failed", kek.Integrity, ""},
	{"disallowed by policy (too old)", kek.Disabled, "min_decryption_version of the key is above the wrap's version: lower it"},
	{"version is too new", kek.Deleted, "the key has no such version: it may come from an older backup"},
	{"no such key version", kek.Deleted, "the key has no such version any more"},
	{"invalid ciphertext", kek.Integrity, ""},
	{"encryption key not found", kek.Deleted, "the Transit key is gone"},
	{"could not fetch key", kek.Deleted, "the Transit key is gone"},
	{"requested version for encryption", kek.Changed, "the key's versions changed"},
	{"no handler for route", kek.Misconfigured, "no Transit engine at this mount"},
	{"unsupported path", kek.Misconfigured, "the engine at this mount is no Transit engine"},
	{"missing client token", kek.Denied, ""},
	{"soft-deleted", kek.Disabled, "the Transit key is soft-deleted: restore it"},
}

// fail turns what the client answered into an error of this package. Vault names requests in its audit log only by an id that
// error answers do not carry.
func fail(op string, seen *connect.Seen, err error) *kek.Error {
	var known *kek.Error
	if errors.As(err, &known) {
		return known
	}
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		if seen.Status() == http.StatusNotFound {
			return seen.Fail(kek.Misconfigured, op, "", errors.New("HTTP 404: an answer that is not Vault's, as of a proxy in between"))
		}
		return seen.Fail(kek.Unavailable, op, "", connect.Cause(err))
	}
	text := strings.Join(answer.Errors, "; ")
	if text == "" {
		text = "no reason given"
	}
	if answer.RawError {
		text = "an answer that is not Vault's, as of a proxy in between"
	}
	if len(text) > 300 {
		text = text[:300]
	}
	if answer.StatusCode == http.StatusNotFound && len(answer.Errors) == 0 {
		return seen.Fail(kek.Deleted, op, "", errors.New("the mount has no such key"))
	}
	class, hint := classOf(answer.StatusCode, text)
	said := fmt.Errorf("HTTP %d: %s", answer.StatusCode, text)
	if hint != "" {
		said = fmt.Errorf("%w (%s)", said, hint)
	}
	return seen.Fail(class, op, "", said)
}

func classOf(status int, text string) (kek.Class, string) {
	switch {
	case status == http.StatusTooManyRequests:
		return kek.Throttled, ""
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return kek.Denied, ""
	case status >= 500 || status == http.StatusPreconditionFailed || status == 472 || status == 473:
		return kek.Unavailable, ""
	}
	for _, refusal := range refusals {
		if strings.Contains(text, refusal.text) {
			return refusal.class, refusal.hint
		}
	}
	return kek.Misconfigured, ""
}
