package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// reason is the body of an error of Key Vault. The inner codes name what 403 leaves open.
type reason struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Code string `json:"code"`
		} `json:"innererror"`
	} `json:"error"`
}

func fail(op string, seen *connect.Seen, err error) *kek.Error {
	var known *kek.Error
	if errors.As(err, &known) {
		return known
	}
	requestID := seen.Header("X-Ms-Request-Id")
	var login *azidentity.AuthenticationFailedError
	if errors.As(err, &login) {
		class := kek.Unavailable
		if login.RawResponse != nil && login.RawResponse.StatusCode >= 400 && login.RawResponse.StatusCode < 500 {
			class = kek.Denied
			if login.RawResponse.StatusCode == http.StatusTooManyRequests {
				class = kek.Throttled
			}
		}
		// The text of the SDK repeats the answer of Entra ID, which names tenant and client.
		return seen.Fail(class, op, requestID, errors.New("no token could be had: Entra ID refused the login or did not answer"))
	}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		if strings.Contains(err.Error(), "challenge resource") {
			return seen.Fail(kek.Misconfigured, op, requestID, errors.New("the vault's host is not in the domain that its challenge names: see anyVaultDomain"))
		}
		return seen.Fail(kek.Unavailable, op, requestID, connect.Cause(err))
	}
	var why reason
	if answer.RawResponse != nil {
		if body, err := runtime.Payload(answer.RawResponse); err == nil {
			_ = json.Unmarshal(body, &why)
		}
	}
	said := fmt.Errorf("HTTP %d", answer.StatusCode)
	if why.Error.Code != "" {
		said = fmt.Errorf("HTTP %d %s %s: %s", answer.StatusCode, why.Error.Code, why.Error.Inner.Code, firstLine(why.Error.Message))
	}
	return seen.Fail(classOf(op, answer.StatusCode, &why), op, requestID, said)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line[:min(len(line), 300)])
}

func classOf(op string, status int, why *reason) kek.Class {
	code, inner, text := why.Error.Code, why.Error.Inner.Code, strings.ToLower(why.Error.Message)
	switch {
	case status == http.StatusTooManyRequests || code == "Throttled":
		return kek.Throttled
	case status >= 500 || status == http.StatusRequestTimeout:
		return kek.Unavailable
	case status == http.StatusUnauthorized:
		return kek.Denied
	case status == http.StatusForbidden:
		for _, word := range []string{"disabled", "expired", "not yet valid", "not currently valid"} {
			if inner == "KeyDisabled" || strings.Contains(text, word) {
				return kek.Disabled
			}
		}
		return kek.Denied
	case status == http.StatusNotFound && (code == "KeyNotFound" || strings.Contains(text, "was not found in this key vault")):
		return kek.Deleted
	case status == http.StatusConflict:
		// ObjectIsDeletedButRecoverable, ObjectIsBeingDeleted, ObjectIsBeingRecovered.
		return kek.Disabled
	case status == http.StatusBadRequest && op == "unwrap" && (code == "BadParameter" || code == "InvalidParameter"):
		return kek.Integrity
	}
	return kek.Misconfigured
}
