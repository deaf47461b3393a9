package keyset

import (
	"sync"
	"time"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// cache holds unwrapped wrap keys in the library's memory, the newest ones and each for a time. It never holds a seed.
type cache struct {
	mu   sync.Mutex
	ttl  time.Duration
	most int
	held map[[32]byte]*cached
}

type cached struct {
	key  *k8senc.WrapKey
	slot uint8
	from time.Time
}

// use lends the wrap key of a record.
func (c *cache) use(record [32]byte, now time.Time, open func(key *k8senc.WrapKey, slot uint8) error) (bool, error) {
	if c.ttl == 0 {
		return false, nil
	}
	c.mu.Lock()
	one, ok := c.held[record]
	if ok && now.Sub(one.from) >= c.ttl {
		c.drop(record)
		ok = false
	}
	c.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, open(one.key, one.slot)
}

// put takes over key, and says whether it did.
func (c *cache) put(record [32]byte, key *k8senc.WrapKey, slot uint8, now time.Time) bool {
	if c.ttl == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = map[[32]byte]*cached{}
	}
	if _, there := c.held[record]; there {
		return false
	}
	if len(c.held) >= c.most {
		var oldest [32]byte
		var from time.Time
		for id, one := range c.held {
			if from.IsZero() || one.from.Before(from) {
				oldest, from = id, one.from
			}
		}
		c.drop(oldest)
	}
	c.held[record] = &cached{key, slot, now}
	return true
}

func (c *cache) drop(record [32]byte) {
	if one, ok := c.held[record]; ok {
		_ = one.key.Close()
		delete(c.held, record)
	}
}

// sweep wipes what is too old, and everything if all is set.
func (c *cache) sweep(now time.Time, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for record, one := range c.held {
		if all || now.Sub(one.from) >= c.ttl {
			c.drop(record)
		}
	}
}

func (c *cache) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}
