package keyset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// State is what outlives a restart. No call of kube-apiserver needs it; a new version waits until it is saved.
type State struct {
	Version    int                    `json:"version"`
	Cluster    string                 `json:"cluster"`
	Generation uint64                 `json:"generation"`
	KeyID      string                 `json:"keyID"`
	Since      time.Time              `json:"since"`
	Active     map[uint8]SavedVersion `json:"active"`
	Left       map[uint8][]string     `json:"left,omitempty"`
	Retired    []RetiredKeyID         `json:"retired,omitempty"`
	SetIDs     []string               `json:"setIDs,omitempty"`
	// Slots keeps what each slot ever had.
	Slots map[uint8]SlotKey `json:"slots,omitempty"`
}

// SavedVersion is a kek.Version as it is saved.
type SavedVersion struct {
	Identity [][]byte  `json:"identity,omitempty"`
	Name     string    `json:"name"`
	Created  time.Time `json:"created,omitzero"`
	WrapLen  int       `json:"wrapLen"`
}

// RetiredKeyID is a key_id that Status once said and never says again.
type RetiredKeyID struct {
	KeyID string    `json:"keyID"`
	Until time.Time `json:"until"`
}

func saved(version kek.Version) SavedVersion {
	return SavedVersion{Identity: version.Identity, Name: version.Name, Created: version.Created, WrapLen: version.WrapLen}
}

func (v SavedVersion) version() kek.Version {
	return kek.Version{Identity: v.Identity, Name: v.Name, Created: v.Created, WrapLen: v.WrapLen}
}

// IsRetired says whether a key_id was left.
func (s *State) IsRetired(keyID string) bool {
	return slices.ContainsFunc(s.Retired, func(r RetiredKeyID) bool { return r.KeyID == keyID })
}

// Store keeps the state.
type Store interface {
	// Load gives nil where nothing was saved yet.
	Load() (*State, error)
	Save(*State) error
}

// File is a Store in one file of mode 0600, replaced as a whole.
type File string

// Load reads the file.
func (f File) Load() (*State, error) {
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var state State
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("%s: %w; move it away to start without: the plugin then asks each KMS for its current version", f, err)
	}
	if state.Version != 1 {
		return nil, fmt.Errorf("%s: version %d is here, 1 is needed", f, state.Version)
	}
	return &state, nil
}

// Save replaces the file; after a crash there is the old one or the new one.
func (f File) Save(state *State) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	room := filepath.Dir(string(f))
	file, err := os.CreateTemp(room, ".state-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(append(text, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(file.Name(), string(f))
	}
	if err != nil {
		return err
	}
	directory, err := os.Open(room)
	if err != nil {
		return err
	}
	defer directory.Close()
	return directory.Sync()
}
