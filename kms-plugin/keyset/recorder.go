package keyset

import "time"

// Recorder is told what happens, for metrics. Its methods must not wait.
type Recorder interface {
	// Call is one call of a KMS: class is "ok", a class of package kek, "overtaken" or "queue-full".
	Call(key, op, class string, took time.Duration)
	// Hedged is a Decrypt that asked a second KMS because the first was slow.
	Hedged(key string)
	// Decrypt and Encrypt end with the name of a gRPC code.
	Decrypt(code string, took time.Duration)
	Encrypt(code string, took time.Duration)
	// CacheHit is a Decrypt that asked nobody.
	CacheHit()
	// UnknownSet is a record of a set that the state file does not know.
	UnknownSet()
	// Integrity is a record that is not what a KMS wrapped: somebody changed it, or the key.
	Integrity()
	// Compat is a Decrypt of another plugin's data.
	Compat(plugin string)
	// ClockSkew is the KMS's clock minus ours.
	ClockSkew(key string, skew time.Duration)
	// StateSaveFailed is a new version that is not activated because the state file cannot be written.
	StateSaveFailed()
}

// NoRecorder records nothing.
type NoRecorder struct{}

// These methods do nothing.
func (NoRecorder) Call(string, string, string, time.Duration) {}
func (NoRecorder) Hedged(string)                              {}
func (NoRecorder) Decrypt(string, time.Duration)              {}
func (NoRecorder) Encrypt(string, time.Duration)              {}
func (NoRecorder) CacheHit()                                  {}
func (NoRecorder) UnknownSet()                                {}
func (NoRecorder) Integrity()                                 {}
func (NoRecorder) Compat(string)                              {}
func (NoRecorder) ClockSkew(string, time.Duration)            {}
func (NoRecorder) StateSaveFailed()                           {}
