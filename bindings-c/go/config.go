package k8senc

// #include <k8senc.h>
import "C"

import (
	"encoding/json"
	"unsafe"
)

//go:generate go run ./internal/statusgen ../include/k8senc.h status.go

// ConfigOptions are about the server that is asked. The zero value is the newest release known, without reload.
type ConfigOptions struct {
	// Version is the release, such as "1.31".
	Version string `json:"version,omitempty"`
	// Reload is --encryption-provider-config-automatic-reload.
	Reload bool `json:"reload,omitempty"`
	// KMSv1 is the feature gate. Nil is the release's default; ParseConfig then allows it, because old values have to be read.
	KMSv1 *bool `json:"kmsv1,omitempty"`
	// Path is the file's, as kube-apiserver prints it.
	Path string `json:"path,omitempty"`
}

// Position is a place in a text: Offset counts bytes, Line and Column (in characters) count from 1.
type Position struct {
	Offset int `json:"offset"`
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Verdict is what kube-apiserver says of a configuration.
type Verdict struct {
	// OK is whether it starts with it.
	OK bool `json:"ok"`
	// Upstream is the text with which it refuses; empty if it takes the file, or crashes on it.
	Upstream string `json:"upstream"`
	// Exact is whether Upstream is the same in every run and release.
	Exact bool `json:"exact"`
	// Redacted is whether kube-apiserver prints a key in that text, which Upstream does not.
	Redacted bool `json:"redacted"`
	// Problems are the single faults, in kube-apiserver's order.
	Problems []Problem `json:"problems"`
}

// Problem is one fault of a configuration.
type Problem struct {
	Code     string    `json:"code"`
	Field    string    `json:"field"`
	Text     string    `json:"text"`
	Upstream string    `json:"upstream"`
	Start    *Position `json:"start"`
	End      *Position `json:"end"`
}

// Finding is one piece of our advice. An edit of its fix may hold key material.
type Finding struct {
	Code     string    `json:"code"`
	Name     string    `json:"name"`
	Severity string    `json:"severity"`
	Text     string    `json:"text"`
	Upstream string    `json:"upstream"`
	Start    *Position `json:"start"`
	End      *Position `json:"end"`
}

// Validate says what kube-apiserver says of an EncryptionConfiguration. A refusal is an answer, not an error.
func Validate(config []byte, options ConfigOptions) (*Verdict, error) {
	var verdict Verdict
	err := judge(config, options, &verdict, func(text *C.uint8_t, textLen C.size_t, json *C.uint8_t, jsonLen C.size_t, out *C.k8senc_buf, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_config_validate(text, textLen, json, jsonLen, out, failure)
	})
	if err != nil {
		return nil, err
	}
	return &verdict, nil
}

// Lint judges an EncryptionConfiguration by every rule of ours, worst first.
func Lint(config []byte, options ConfigOptions) ([]Finding, error) {
	var findings []Finding
	err := judge(config, options, &findings, func(text *C.uint8_t, textLen C.size_t, json *C.uint8_t, jsonLen C.size_t, out *C.k8senc_buf, failure **C.k8senc_error) C.k8senc_status {
		return C.k8senc_config_lint(text, textLen, json, jsonLen, out, failure)
	})
	return findings, err
}

type judgement func(text *C.uint8_t, textLen C.size_t, json *C.uint8_t, jsonLen C.size_t, out *C.k8senc_buf, failure **C.k8senc_error) C.k8senc_status

func judge(config []byte, options ConfigOptions, into any, call judgement) error {
	optionsJSON, err := json.Marshal(options)
	if err != nil {
		return err
	}
	var out C.k8senc_buf
	var failure *C.k8senc_error
	textPointer, textLen := in(config)
	jsonPointer, jsonLen := in(optionsJSON)
	if err := fail(call(textPointer, textLen, jsonPointer, jsonLen, &out, &failure), failure); err != nil {
		return err
	}
	return takeJSON(&out, into)
}

// Config is an EncryptionConfiguration that kube-apiserver loads.
type Config struct{ handle *handle }

// ParseConfig reads an EncryptionConfiguration, YAML or JSON. A refusal is ErrConfigRefused; Error.Upstream is what
// kube-apiserver says, Error.JSON the Verdict. The caller may clear the text afterwards.
func ParseConfig(config []byte, options ConfigOptions) (*Config, error) {
	if options.KMSv1 == nil {
		allowed := true
		options.KMSv1 = &allowed
	}
	optionsJSON, err := json.Marshal(options)
	if err != nil {
		return nil, err
	}
	var made *C.k8senc_config
	var failure *C.k8senc_error
	textPointer, textLen := in(config)
	jsonPointer, jsonLen := in(optionsJSON)
	if err := fail(C.k8senc_config_new(textPointer, textLen, jsonPointer, jsonLen, &made, &failure), failure); err != nil {
		return nil, err
	}
	return &Config{own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_config_free((*C.k8senc_config)(p)) })}, nil
}

// Close wipes the keys. Chains made from it live on.
func (c *Config) Close() error { return c.handle.close() }

// KMSProvider is one KMS block of a configuration.
type KMSProvider struct {
	Name       string `json:"name"`
	APIVersion string `json:"apiVersion"`
	Endpoint   string `json:"endpoint"`
}

// KMSProviders lists the KMS blocks, in the order of the file.
func (c *Config) KMSProviders() ([]KMSProvider, error) {
	pointer, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	var out C.k8senc_buf
	var failure *C.k8senc_error
	if err := fail(C.k8senc_config_describe((*C.k8senc_config)(pointer), false, &out, &failure), failure); err != nil {
		return nil, err
	}
	var described struct {
		KMS []KMSProvider `json:"kms"`
	}
	if err := takeJSON(&out, &described); err != nil {
		return nil, err
	}
	return described.KMS, nil
}
