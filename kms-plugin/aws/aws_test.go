package aws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/k8senc/k8senc/kms-plugin/internal/faultproxy"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

const label = "kw1|cluster-a|0123456789abcdef|1"

func TestConformance(t *testing.T) {
	arn := newKey(t)
	kekconform.Run(t, subject(arn, plain(arn, moto.address)))
}

// said is an answer of KMS, as its API reference and botocore's parsers have it.
func said(status int, code, message string) faultproxy.Fault {
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return faultproxy.Fault{Status: status, Body: string(body), Header: http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {"11111111-2222-3333-4444-555555555555"}, "X-Amzn-Errortype": {code},
	}}
}

func TestFailures(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	row := func(name string, fault faultproxy.Fault, class kek.Class, ops ...string) kekconform.Row {
		made := kekconform.Row{Name: name, Fault: fault, Class: class, Ops: ops}
		if fault.Status != 0 && len(fault.Header) > 0 {
			made.RequestID = "11111111-2222-3333-4444-555555555555"
		}
		return made
	}
	throttled := said(400, "ThrottlingException", "Rate exceeded")
	throttled.Header.Set("Retry-After", "3")
	slow := row("throttled", throttled, kek.Throttled)
	slow.RetryAfter = 3 * time.Second
	skew := said(403, "InvalidSignatureException", "Signature expired")
	skew.Skew = 20 * time.Minute
	skewed := row("a clock that stays wrong", skew, kek.Denied)
	skewed.Skew = 20 * time.Minute
	crypto := []string{"wrap", "unwrap"}
	subject(arn, secure(arn, proxy.URL, authority)).Faults(t, proxy, []kekconform.Row{
		row("cut", faultproxy.Fault{Cut: true}, kek.Unavailable),
		row("half an answer", faultproxy.Fault{CutBody: true}, kek.Unavailable),
		{Name: "slow", Slow: true, Fault: faultproxy.Fault{Delay: 30 * time.Second}, Class: kek.Unavailable},
		row("internal", said(500, "KMSInternalException", "The request was rejected because an internal exception occurred."), kek.Unavailable),
		row("a load balancer", faultproxy.Fault{Status: 503, Body: "<html>"}, kek.Unavailable),
		row("a dependency", said(503, "DependencyTimeoutException", "The system timed out while trying to fulfill the request."), kek.Unavailable),
		row("no key just now", said(500, "KeyUnavailableException", ""), kek.Unavailable, crypto...),
		slow,
		row("denied", said(400, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/kms is not authorized to perform: kms:Decrypt"), kek.Denied),
		row("an expired token", said(400, "ExpiredTokenException", "The security token included in the request is expired"), kek.Denied),
		row("an unknown key id", said(400, "UnrecognizedClientException", "The security token included in the request is invalid."), kek.Denied),
		skewed,
		row("disabled", said(400, "DisabledException", arn+" is disabled."), kek.Disabled, crypto...),
		row("pending deletion", said(400, "KMSInvalidStateException", arn+" is pending deletion."), kek.Disabled, crypto...),
		row("deleted", said(400, "NotFoundException", "Key '"+arn+"' does not exist"), kek.Deleted),
		row("a key of another kind", said(400, "InvalidKeyUsageException", ""), kek.Misconfigured, crypto...),
		row("a blob of another key", said(400, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."), kek.Integrity, "unwrap"),
		row("a damaged blob", said(400, "InvalidCiphertextException", ""), kek.Integrity, "unwrap"),
	})
}

func behindTLS(t *testing.T, authority *testtls.Authority) *faultproxy.Proxy {
	t.Helper()
	return faultproxy.Start(t, authority, moto.address)
}

// reply changes an answer's JSON.
func reply(change func(map[string]any)) func(*http.Response) error {
	return func(answer *http.Response) error {
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		var body map[string]any
		if answer.StatusCode == 200 && json.Unmarshal(text, &body) == nil {
			change(body)
			text, _ = json.Marshal(body)
		}
		answer.Body = io.NopCloser(bytes.NewReader(text))
		answer.ContentLength = int64(len(text))
		answer.Header.Set("Content-Length", fmt.Sprint(len(text)))
		return nil
	}
}

func metadata(change func(map[string]any)) faultproxy.Fault {
	return faultproxy.Fault{Match: target("DescribeKey"), Reply: reply(func(body map[string]any) {
		if about, ok := body["KeyMetadata"].(map[string]any); ok {
			change(about)
		}
	})}
}

// moto knows no states of keys: their descriptions come from the proxy.
func TestStates(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	backend := open(t, secure(arn, proxy.URL, authority))
	for state, class := range map[string]kek.Class{
		"Disabled": kek.Disabled, "PendingDeletion": kek.Disabled, "PendingImport": kek.Disabled, "Unavailable": kek.Unavailable,
	} {
		proxy.Set(metadata(func(about map[string]any) {
			about["KeyState"] = state
			if state == "PendingDeletion" {
				about["DeletionDate"] = 1900000000
			}
		}))
		version, err := backend.Current(limited(t))
		if kek.ClassOf(err) != class {
			t.Errorf("%s: %s was due: %v", state, class, err)
		}
		if state == "PendingDeletion" && (!version.DeletionDate.Equal(time.Unix(1900000000, 0)) || !strings.Contains(err.Error(), "2030-03-17")) {
			t.Errorf("the date of the deletion is %s: %v", version.DeletionDate, err)
		}
	}
	proxy.Set(metadata(func(about map[string]any) { about["KeySpec"] = "RSA_2048" }))
	if _, err := backend.Current(limited(t)); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}

// DescribeKey of today's KMS names the material; moto's does not.
func TestMaterialID(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	var id atomic.Value
	id.Store(strings.Repeat("a1", 32))
	proxy.Set(metadata(func(about map[string]any) { about["CurrentKeyMaterialId"] = id.Load() }))
	backend := open(t, secure(arn, proxy.URL, authority))
	version, err := backend.Current(limited(t))
	if err != nil || string(version.Identity[3]) != id.Load() || version.Created.IsZero() {
		t.Fatalf("%q, %v", version.Identity, err)
	}
	before := proxy.Calls()
	if again, err := backend.Current(limited(t)); err != nil || string(again.Identity[3]) != id.Load() || proxy.Calls() != before+1 {
		t.Errorf("%v, %d calls for a second look, 1 was due", err, proxy.Calls()-before)
	}
	key := kekconform.Key(t)
	wrap, err := backend.Wrap(limited(t), version, key, label)
	if err != nil {
		t.Fatal(err)
	}
	id.Store(strings.Repeat("b2", 32))
	if _, err := backend.Wrap(limited(t), version, key, label); kek.ClassOf(err) != kek.Changed {
		t.Errorf("changed was due: %v", err)
	}
	if fresh, err := backend.Current(limited(t)); err != nil || string(fresh.Identity[3]) != id.Load() {
		t.Errorf("%q, %v", fresh.Identity, err)
	}
	if got, err := backend.Unwrap(limited(t), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("the wrap of the old material does not open: %v", err)
	}
}

// Blobs as KMS makes them: 184 bytes that name their backing key.
func TestBackingKeyInTheBlob(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	var backing atomic.Uint32
	backing.Store(1)
	real := func() []byte {
		blob := append([]byte{1, 2, 2, 0, 0x78}, bytes.Repeat([]byte{byte(backing.Load())}, 32)...)
		return append(append(blob, 1), make([]byte, 146)...)
	}
	encrypts := 0
	proxy.Set(faultproxy.Fault{Match: target("Encrypt"), Reply: reply(func(body map[string]any) {
		encrypts++
		body["CiphertextBlob"] = real()
	})})
	one, two := open(t, secure(arn, proxy.URL, authority)), open(t, secure(arn, proxy.URL, authority))
	version, err := one.Current(limited(t))
	if err != nil || !bytes.Equal(version.Identity[3], bytes.Repeat([]byte{1}, 32)) || version.WrapLen != 184 {
		t.Fatalf("%x, %d, %v", version.Identity, version.WrapLen, err)
	}
	if _, err := one.Current(limited(t)); err != nil || encrypts != 2 {
		t.Errorf("%v, %d encryptions for two looks, 2 were due", err, encrypts)
	}
	if _, err := one.Wrap(limited(t), version, kekconform.Key(t), label); err != nil {
		t.Error(err)
	}
	backing.Store(2)
	rotate(t, arn)
	if _, err := one.Wrap(limited(t), version, kekconform.Key(t), label); kek.ClassOf(err) != kek.Changed {
		t.Errorf("changed was due: %v", err)
	}
	for _, backend := range []*Backend{one, two} {
		if fresh, err := backend.Current(limited(t)); err != nil || !bytes.Equal(fresh.Identity[3], bytes.Repeat([]byte{2}, 32)) {
			t.Errorf("%x, %v", fresh.Identity, err)
		}
	}
}

func TestAliasThatMoves(t *testing.T) {
	first, second := newKey(t), newKey(t)
	name := fmt.Sprintf("alias/moves-%d", time.Now().UnixNano())
	if _, err := moto.admin.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &first}); err != nil {
		t.Fatal(err)
	}
	config := plain(name, moto.address)
	config.Region = testRegion
	backend := open(t, config)
	old, err := backend.Current(limited(t))
	if err != nil || !strings.HasSuffix(first, string(old.Identity[2])) {
		t.Fatalf("%q, %v", old.Identity, err)
	}
	key := kekconform.Key(t)
	wrap, err := backend.Wrap(limited(t), old, key, label)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := moto.admin.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &second}); err != nil {
		t.Fatal(err)
	}
	fresh, err := backend.Current(limited(t))
	if err != nil || !strings.HasSuffix(second, string(fresh.Identity[2])) {
		t.Fatalf("%q, %v", fresh.Identity, err)
	}
	// KMS says IncorrectKeyException here, moto AccessDeniedException: the proxy has KMS's word.
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	wrongKey := said(400, "IncorrectKeyException", "")
	wrongKey.Match = func(r *http.Request) bool {
		if !target("Decrypt")(r) {
			return false
		}
		text, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(text))
		return strings.Contains(string(text), second)
	}
	config = secure(name, proxy.URL, authority)
	config.Region = testRegion
	proxy.Set(wrongKey)
	if _, err := open(t, config).Unwrap(limited(t), wrap, label); kek.ClassOf(err) != kek.Integrity {
		t.Errorf("a key that the configuration does not name: integrity was due: %v", err)
	}
	config.FormerKeys = []string{first}
	if got, err := open(t, config).Unwrap(limited(t), wrap, label); err != nil || !bytes.Equal(got, key) {
		t.Errorf("a former key of the configuration: %v", err)
	}
	gone := "alias/none-such"
	config = plain(gone, moto.address)
	config.Region = testRegion
	if _, err := open(t, config).Current(limited(t)); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}

func TestMultiRegionKeyHasNoRegionInItsIdentity(t *testing.T) {
	many := true
	arn := newKey(t, func(input *kms.CreateKeyInput) { input.MultiRegion = &many })
	version, err := open(t, plain(arn, moto.address)).Current(limited(t))
	if err != nil || !strings.HasPrefix(string(version.Identity[2]), "mrk-") || strings.Contains(string(bytes.Join(version.Identity, nil)), testRegion) {
		t.Fatalf("%q, %v", version.Identity, err)
	}
}

func TestAsymmetricKeyIsRefused(t *testing.T) {
	arn := newKey(t, func(input *kms.CreateKeyInput) {
		input.KeySpec, input.KeyUsage = types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt
	})
	if _, err := open(t, plain(arn, moto.address)).Current(limited(t)); kek.ClassOf(err) != kek.Misconfigured {
		t.Errorf("misconfigured was due: %v", err)
	}
}

// A clock that is wrong is made good by the SDK with the Date of the refusal, in the same call.
func TestClockSkewIsCorrected(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	backend := open(t, secure(arn, proxy.URL, authority))
	refusal := said(403, "InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z")
	refusal.Skew, refusal.Times = 20*time.Minute, 1
	var signed atomic.Value
	late := faultproxy.Fault{Match: func(r *http.Request) bool {
		// The calls after it are signed for the time of its answer, which is right again.
		signed.CompareAndSwap(nil, r.Header.Get("X-Amz-Date"))
		return false
	}}
	proxy.Set(refusal, late)
	if _, err := backend.Current(limited(t)); err != nil {
		t.Fatal(err)
	}
	stamp, _ := signed.Load().(string)
	at, err := time.Parse("20060102T150405Z", stamp)
	if off := time.Until(at) - 20*time.Minute; err != nil || off.Abs() > time.Minute {
		t.Errorf("signed for %q", stamp)
	}
}

func TestRetriesNothing(t *testing.T) {
	authority := testtls.New(t)
	proxy := behindTLS(t, authority)
	arn := newKey(t)
	backend := open(t, secure(arn, proxy.URL, authority))
	for _, fault := range []faultproxy.Fault{said(400, "ThrottlingException", ""), said(500, "KMSInternalException", ""), {Status: 503}} {
		proxy.Set(fault)
		if _, err := backend.Current(limited(t)); err == nil {
			t.Fatal("it went well")
		}
		if proxy.Calls() != 1 {
			t.Errorf("%d calls", proxy.Calls())
		}
	}
	// Refused credentials are fetched anew once.
	proxy.Set(said(400, "AccessDeniedException", ""))
	for range 10 {
		_, _ = backend.Current(limited(t))
	}
	if proxy.Calls() > 12 {
		t.Errorf("10 refused calls became %d", proxy.Calls())
	}
}

func TestAssumesARole(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_STS", moto.address)
	arn := newKey(t)
	config := plain(arn, moto.address)
	config.RoleARN, config.ExternalID = "arn:aws:iam::123456789012:role/kms-plugin", "cluster-a"
	backend := open(t, config)
	if _, err := backend.Current(limited(t)); err != nil {
		t.Fatal(err)
	}
	held, err := backend.refresher.cache.Retrieve(limited(t))
	if err != nil || held.AccessKeyID == accessKey {
		t.Errorf("the role was not taken: %v", err)
	}
}

// The context of aws-encryption-provider.
func TestCompat(t *testing.T) {
	var _ kek.Compat = (*Backend)(nil)
	arn := newKey(t)
	seed := kekconform.Key(t)
	for _, pairs := range []map[string]string{nil, {"cluster": "a", "purpose": "b"}} {
		made, err := moto.admin.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &arn, Plaintext: seed, EncryptionContext: pairs})
		if err != nil {
			t.Fatal(err)
		}
		backend := open(t, plain(arn, moto.address))
		if got, err := backend.Decrypt(limited(t), made.CiphertextBlob, nil, pairs); err != nil || !bytes.Equal(got, seed) {
			t.Errorf("%v", err)
		}
		if _, err := backend.Decrypt(limited(t), made.CiphertextBlob, nil, map[string]string{"other": "c"}); kek.ClassOf(err) != kek.Integrity {
			t.Errorf("integrity was due: %v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	arn := "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	for _, config := range []Config{{Key: arn}, {Key: "alias/kek", Region: "us-gov-east-1"}, {Key: "mrk-" + strings.Repeat("0", 32), Region: "eu-west-1"}} {
		if problems := config.Validate(); len(problems) > 0 {
			t.Errorf("%s: %+v", config.Key, problems)
		}
	}
	for field, config := range map[string]Config{
		"key": {}, "region": {Key: "alias/kek"}, "formerKeys[0]": {Key: arn, FormerKeys: []string{"alias/old"}},
		"endpoint": {Key: arn, Endpoint: "http://kms.example"}, "roleARN": {Key: arn, RoleARN: "admin"}, "externalID": {Key: arn, ExternalID: "x"},
	} {
		if problems := config.Validate(); len(problems) != 1 || problems[0].Field != field {
			t.Errorf("%s: %+v", field, problems)
		}
	}
	if problems := (&Config{Key: arn, Region: "us-east-1"}).Validate(); len(problems) != 1 || problems[0].Field != "region" {
		t.Errorf("%+v", problems)
	}
}
