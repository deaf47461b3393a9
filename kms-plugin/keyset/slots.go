package keyset

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// SlotKey is the key that a slot had when it last wrapped. A slot is one key's for ever: what it wrapped names the slot and nothing else.
type SlotKey struct {
	Kind string `json:"kind"`
	// Identity is that of the version that wrapped; for a KEK that is held here a fingerprint.
	Identity [][]byte `json:"identity"`
}

// Misplaced says which keys are not those that their slots had before. With such a key in place what the one before wrapped does not open,
// and looks as if somebody had changed it.
func (s *State) Misplaced(keys []Key) (map[uint8]string, error) {
	found := map[uint8]string{}
	if s == nil {
		return found, nil
	}
	for _, key := range keys {
		before, known := s.Slots[key.Slot]
		if !known {
			continue
		}
		same := before.Kind == kindNames[key.Backend.Kind()]
		if here, ok := key.Backend.(holder); ok && same {
			now, err := fingerprint(s.Cluster, key.Slot, here)
			if err != nil {
				return nil, err
			}
			same = slices.EqualFunc(before.Identity, now, slices.Equal)
		} else if same && key.Owns != nil {
			same = key.Owns(before.Identity)
		}
		if !same {
			found[key.Slot] = fmt.Sprintf("slot %d had another key (%s) before, whose wraps do not open with %s: put it back, or give the new one a slot of its own",
				key.Slot, before.Kind, key.Name)
		}
	}
	return found, nil
}

// fingerprint tells one KEK from another: the key_id of a set that it is alone in.
func fingerprint(cluster string, slot uint8, here holder) ([][]byte, error) {
	alone, err := k8senc.NewKeyset(cluster, 1, []k8senc.Member{{Slot: slot, KEK: here.Held()}}, nil)
	if err != nil {
		return nil, err
	}
	return [][]byte{[]byte(alone.KeyID)}, alone.Close()
}

// Misplaced joins what the engine found of its keys when it was made; empty if each has the slot that it had.
func (e *Engine) Misplaced() string {
	texts := make([]string, 0, len(e.misplaced))
	for _, slot := range slices.Sorted(maps.Keys(e.misplaced)) {
		texts = append(texts, e.misplaced[slot])
	}
	return strings.Join(texts, "; ")
}

// foreign is why no set can be made: a key that wraps is misplaced.
func (e *Engine) foreign() string {
	for _, m := range e.members {
		if text := e.misplaced[m.Slot]; text != "" && !m.Retired {
			return text
		}
	}
	return ""
}

// slots are those of the state with the keys of made in theirs.
func (e *Engine) slots(made *currentSet) (map[uint8]SlotKey, error) {
	slots := maps.Clone(e.state.Slots)
	if slots == nil {
		slots = map[uint8]SlotKey{}
	}
	for _, m := range made.members {
		identity := made.versions[m.Slot].Identity
		if here, ok := m.Backend.(holder); ok {
			var err error
			if identity, err = fingerprint(e.Cluster, m.Slot, here); err != nil {
				return nil, err
			}
		}
		slots[m.Slot] = SlotKey{kindNames[m.Backend.Kind()], identity}
	}
	return slots, nil
}
