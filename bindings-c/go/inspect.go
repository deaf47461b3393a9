package k8senc

// #include <k8senc.h>
import "C"

import (
	"encoding/json"
	"unsafe"
)

// Inspection is what a stored value says of itself without any key. Names are the writer's text.
type Inspection struct {
	// Provider is identity, aescbc, aesgcm, secretbox, kms-v1, kms-v2, unknown or empty.
	Provider string `json:"provider"`
	// Name is the key's or KMS provider's. It may be another one of Candidates unless NameIsExact: names may hold colons.
	Name        string   `json:"name"`
	NameIsExact bool     `json:"nameIsExact"`
	Candidates  []string `json:"candidates"`
	// Length, BodyLength and DataLength count bytes: of all, behind prefix and name, and encrypted (KMS only).
	Length       int               `json:"length"`
	BodyLength   int               `json:"bodyLength"`
	DataLength   int               `json:"dataLength"`
	EncryptedDEK []byte            `json:"encryptedDek"`
	KeyID        string            `json:"keyId"`
	Annotations  map[string][]byte `json:"annotations"`
	// SourceType is key or seed; KMS v2 only.
	SourceType string `json:"sourceType"`
	// Problem is what is wrong with it, if that shows without a key.
	Problem *struct {
		Status   Status `json:"status"`
		Code     string `json:"code"`
		Text     string `json:"text"`
		Upstream string `json:"upstream"`
	} `json:"problem"`
}

// Inspect reads what needs no key.
func Inspect(stored []byte) (*Inspection, error) {
	var out C.k8senc_buf
	var failure *C.k8senc_error
	pointer, length := in(stored)
	if err := fail(C.k8senc_inspect(pointer, length, &out, &failure), failure); err != nil {
		return nil, err
	}
	var found Inspection
	if err := takeJSON(&out, &found); err != nil {
		return nil, err
	}
	return &found, nil
}

// AuditOptions are those of docs/c.md. The zero value checks the hash and gives three examples of each finding.
type AuditOptions struct {
	NoHash     bool   `json:"-"`
	Examples   *int   `json:"examples,omitempty"`
	EtcdPrefix string `json:"etcdPrefix,omitempty"`
}

func (o AuditOptions) json() ([]byte, error) {
	hash := !o.NoHash
	return json.Marshal(struct {
		AuditOptions
		Hash *bool `json:"hash,omitempty"`
	}{o, &hash})
}

// Audit reads an etcd snapshot or a member's db file. The report is JSON, by audit/schema/audit-report.schema.json; exitCode is
// that of the command: 0 clean, 1 findings, 4 partly undecidable. Without a configuration (nil) values are classified; with
// one they are opened and judged, with what deks knows, which may be nil.
func Audit(path string, config *Config, deks *DEKTable, options AuditOptions) (report json.RawMessage, exitCode int, err error) {
	optionsJSON, err := options.json()
	if err != nil {
		return nil, 0, err
	}
	var out C.k8senc_buf
	var code C.uint32_t
	var failure *C.k8senc_error
	err = withAudit(config, deks, func(c *C.k8senc_config, d *C.k8senc_deks) error {
		pathPointer, pathLen := inString(path)
		optionsPointer, optionsLen := in(optionsJSON)
		return fail(C.k8senc_audit_file(pathPointer, pathLen, c, d, optionsPointer, optionsLen, &out, &code, &failure), failure)
	})
	if err != nil {
		return nil, 0, err
	}
	return take(&out), int(code), nil
}

// AuditRequests lists what the KMS has to be asked before Audit can decide everything, most needed first.
func AuditRequests(path string, config *Config, deks *DEKTable, options AuditOptions) ([]*DEKRequest, error) {
	optionsJSON, err := options.json()
	if err != nil {
		return nil, err
	}
	var list *C.k8senc_requests
	var failure *C.k8senc_error
	err = withAudit(config, deks, func(c *C.k8senc_config, d *C.k8senc_deks) error {
		pathPointer, pathLen := inString(path)
		optionsPointer, optionsLen := in(optionsJSON)
		return fail(C.k8senc_audit_requests(pathPointer, pathLen, c, d, optionsPointer, optionsLen, &list, &failure), failure)
	})
	if err != nil {
		return nil, err
	}
	return takeRequests(list), nil
}

func withAudit(config *Config, deks *DEKTable, call func(*C.k8senc_config, *C.k8senc_deks) error) error {
	var configPointer, deksPointer unsafe.Pointer
	var err error
	if config != nil {
		if configPointer, err = config.handle.use(); err != nil {
			return err
		}
		defer config.handle.release()
	}
	if deks != nil {
		if deksPointer, err = deks.handle.use(); err != nil {
			return err
		}
		defer deks.handle.release()
	}
	return call((*C.k8senc_config)(configPointer), (*C.k8senc_deks)(deksPointer))
}

// LibraryVersion is the release of the library, such as "0.1.0".
func LibraryVersion() string { return C.GoString(C.k8senc_version()) }

// ABIVersion is that of the library; it equals the one this package was written for unless another library is loaded.
func ABIVersion() int { return int(C.k8senc_abi_version()) }

func init() {
	// A library of another ABI reads arguments differently: nothing that follows could be trusted.
	if C.k8senc_abi_version() != C.K8SENC_ABI_VERSION {
		panic("k8senc: the library has another ABI version than the header this package was built with")
	}
}
