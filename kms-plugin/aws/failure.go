package aws

import (
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// classes are by the error codes of the KMS API and of its signature check.
var classes = map[string]kek.Class{
	"ThrottlingException":                 kek.Throttled,
	"Throttling":                          kek.Throttled,
	"TooManyRequestsException":            kek.Throttled,
	"RequestLimitExceeded":                kek.Throttled,
	"LimitExceededException":              kek.Throttled,
	"AccessDeniedException":               kek.Denied,
	"AccessDenied":                        kek.Denied,
	"UnrecognizedClientException":         kek.Denied,
	"InvalidClientTokenId":                kek.Denied,
	"ExpiredTokenException":               kek.Denied,
	"ExpiredToken":                        kek.Denied,
	"IncompleteSignature":                 kek.Denied,
	"InvalidSignatureException":           kek.Denied,
	"SignatureDoesNotMatch":               kek.Denied,
	"RequestTimeTooSkewed":                kek.Denied,
	"RequestExpired":                      kek.Denied,
	"MissingAuthenticationToken":          kek.Denied,
	"OptInRequired":                       kek.Denied,
	"InvalidIdentityToken":                kek.Denied,
	"DisabledException":                   kek.Disabled,
	"KMSInvalidStateException":            kek.Disabled,
	"NotFoundException":                   kek.Deleted,
	"InvalidCiphertextException":          kek.Integrity,
	"IncorrectKeyException":               kek.Integrity,
	"KeyUnavailableException":             kek.Unavailable,
	"DependencyTimeoutException":          kek.Unavailable,
	"KMSInternalException":                kek.Unavailable,
	"InternalFailure":                     kek.Unavailable,
	"InternalServerError":                 kek.Unavailable,
	"ServiceUnavailable":                  kek.Unavailable,
	"ServiceUnavailableException":         kek.Unavailable,
	"CloudHsmClusterNotActive":            kek.Unavailable,
	"XksProxyUriUnreachable":              kek.Unavailable,
	"IDPCommunicationError":               kek.Unavailable,
	"InvalidKeyUsageException":            kek.Misconfigured,
	"InvalidGrantTokenException":          kek.Misconfigured,
	"InvalidArnException":                 kek.Misconfigured,
	"InvalidAliasNameException":           kek.Misconfigured,
	"UnsupportedOperationException":       kek.Misconfigured,
	"ValidationException":                 kek.Misconfigured,
	"UnknownOperationException":           kek.Misconfigured,
	"AccessDeniedByServiceEndpoint":       kek.Denied,
	"CustomKeyStoreInvalidStateException": kek.Unavailable,
}

func fail(op string, seen *connect.Seen, err error) *kek.Error {
	var known *kek.Error
	if errors.As(err, &known) {
		return known
	}
	requestID := seen.Header("X-Amzn-RequestId")
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.RequestID != "" {
		requestID = answer.RequestID
	}
	var coded smithy.APIError
	if !errors.As(err, &coded) {
		class := kek.Unavailable
		if status := seen.Status(); status == 429 {
			class = kek.Throttled
		} else if strings.Contains(err.Error(), "credentials") && seen.Status() == 0 {
			return seen.Fail(class, op, requestID, fmt.Errorf("no credentials could be had: %w", lastOf(err)))
		}
		return seen.Fail(class, op, requestID, lastOf(err))
	}
	code, message := coded.ErrorCode(), coded.ErrorMessage()
	class, listed := classes[code]
	switch {
	case listed:
	case strings.HasPrefix(code, "Xks"), strings.HasPrefix(code, "CloudHsm"):
		class = kek.Unavailable
	case seen.Status() == 429:
		class = kek.Throttled
	case seen.Status() >= 500:
		class = kek.Unavailable
	case seen.Status() == 401 || seen.Status() == 403:
		class = kek.Denied
	default:
		class = kek.Misconfigured
	}
	if code == "NotFoundException" && strings.HasPrefix(message, "Alias ") {
		class = kek.Misconfigured
	}
	// A key in a custom key store that is not connected comes back by itself.
	if code == "KMSInvalidStateException" && strings.Contains(message, "Unavailable") {
		class = kek.Unavailable
	}
	if message == "" {
		message = "no reason given"
	}
	return seen.Fail(class, op, requestID, fmt.Errorf("%s: %s", code, message))
}

// lastOf is the innermost cause, without the operation, the attempt and the URL around it.
func lastOf(err error) error {
	err = connect.Cause(err)
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func isWrongKey(err error) bool {
	var wrong *types.IncorrectKeyException
	return errors.As(err, &wrong)
}
