package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Times of acts end in half a second, so that nothing falls on a poll.
const half = 500 * time.Millisecond

// at waits until s seconds and a half after the start.
func at(s int, do func(*stage)) act { return act{time.Duration(s)*time.Second + half, do} }

// look asks for everything visible: health, a write, a read of key_id 1.
func look(g *stage) { g.health(); g.write(); g.read("1") }

// first is what the plugin says when the API server starts.
func first(do func(*stage)) act { return act{0, do} }

func nothing(*stage) {}

func stateKMSv2() []script {
	var out []script
	add := func(id, why string, acts ...act) { out = append(out, script{id: id, why: why, acts: acts}) }

	add("healthy", "a healthy plugin: one Encrypt at the start, a Status every minute", first(nothing), at(0, look), at(30, look), at(65, look), at(200, look))
	add("away-at-start", "no answer at the start: a probe every 10 s until one succeeds; reads and writes fail till then", first(func(g *stage) { g.statusErr = errAway }), at(0, look), at(12, look), at(31, func(g *stage) { g.statusErr = nil }), at(35, look), at(45, look), at(70, look), at(130, look))
	add("away-long", "no answer for two minutes after the start", first(func(g *stage) { g.statusErr = errAway }), at(65, look), at(125, look), at(126, func(g *stage) { g.statusErr = nil }), at(140, look), at(200, look))
	add("goes-away", "the plugin goes away: writes work until the seed expires, reads go on", first(nothing), at(0, look), at(10, func(g *stage) { g.statusErr = errAway }), at(65, look), at(100, look), at(179, func(g *stage) { g.write() }), at(180, func(g *stage) { g.write(); g.read("1"); g.health() }), at(200, look), at(205, func(g *stage) { g.statusErr = nil }), at(220, look), at(260, look))
	add("expiry-instant", "a write at the very instant of expiry passes, a millisecond later it does not", first(nothing), at(1, func(g *stage) { g.statusErr = errAway }), act{179*time.Second + 999*time.Millisecond, func(g *stage) { g.write() }}, act{180 * time.Second, func(g *stage) { g.write() }}, act{180*time.Second + time.Millisecond, func(g *stage) { g.write() }}, act{181 * time.Second, func(g *stage) { g.write(); g.read("1") }})
	add("revived", "an expired state whose key_id comes back unchanged is revived with the same seed", first(nothing), at(1, func(g *stage) { g.statusErr = errAway }), at(185, look), at(186, func(g *stage) { g.statusErr = nil }), at(205, look))
	add("rotation", "a new key_id: one Encrypt, the old values become stale", first(nothing), at(0, look), at(10, func(g *stage) { g.keyID = "2" }), at(30, look), at(65, look), at(130, look))
	add("rotation-by-health", "a health request sees the new key_id before the loop does, once its cached answer is 20 s old", first(nothing), at(10, func(g *stage) { g.keyID = "2" }), at(15, look), at(19, look), at(20, look), at(25, look))
	add("rotation-back", "back to the first key_id: a new seed all the same", first(nothing), at(10, func(g *stage) { g.keyID = "2" }), at(65, look), at(70, func(g *stage) { g.keyID = "1" }), at(125, look))
	add("rotation-flaps", "a key_id that changes at every probe", first(nothing), at(10, func(g *stage) { g.keyID = "2" }), at(61, func(g *stage) { g.keyID = "3" }), at(121, func(g *stage) { g.keyID = "4" }), at(185, look))
	add("rotation-fails", "Encrypt fails while the key_id changes: the old state stays until it expires", first(nothing), at(10, func(g *stage) { g.keyID = "2"; g.encryptErr = errAway }), at(65, look), at(72, look), at(185, look), at(190, func(g *stage) { g.encryptErr = nil }), at(205, look), at(260, look))
	other := "other"
	add("rotation-mismatch", "Encrypt answers another key_id than Status: the old state stays", first(nothing), at(10, func(g *stage) { g.keyID = "2"; g.encryptKeyID = &other }), at(65, look), at(75, look), at(185, look))
	add("rotation-mismatch-old", "Encrypt still answers the old key_id after Status moved on", first(nothing), at(10, func(g *stage) { old := "1"; g.keyID = "2"; g.encryptKeyID = &old }), at(65, look), at(70, func(g *stage) { g.encryptKeyID = nil }), at(75, look))
	add("sick-keeps-expiry", "an unhealthy plugin that still reports its key_id keeps moving the expiry", first(nothing), at(10, func(g *stage) { g.healthz = "sick" }), at(65, look), at(185, look), at(300, look))
	add("sick-rotates", "an unhealthy plugin that reports a new key_id is rotated to", first(nothing), at(10, func(g *stage) { g.healthz = "sick"; g.keyID = "2" }), at(65, look))
	add("key-id-lost", "a key_id that becomes empty: the state stays, its expiry stands still", first(nothing), at(10, func(g *stage) { g.keyID = "" }), at(65, look), at(178, func(g *stage) { g.write() }), at(181, look))
	add("version-change", "v2, later v2beta1: an error, but the expiry moves", first(nothing), at(10, func(g *stage) { g.version = "v2beta1" }), at(65, look), at(200, look))
	add("version-change-back", "v2beta1 first, v2 later, then v2beta1 again", first(func(g *stage) { g.version = "v2beta1" }), at(0, look), at(10, func(g *stage) { g.version = "v2" }), at(65, look), at(66, func(g *stage) { g.version = "v2beta1" }), at(80, look))
	add("version-bad-first", "a bad version first does not count as the first one", first(func(g *stage) { g.version = "v3" }), at(0, look), at(2, func(g *stage) { g.version = "v2beta1" }), at(15, look), at(25, look))
	add("slow-encrypt", "the expiry counts from before the Encrypt call", first(func(g *stage) { g.encryptDelay = 20 * time.Second }), at(25, func(g *stage) { g.statusErr = errAway; g.write() }), at(179, func(g *stage) { g.write() }), at(180, func(g *stage) { g.write() }), at(199, func(g *stage) { g.write() }), at(200, func(g *stage) { g.write() }))
	add("slow-status", "the expiry counts from after the Status call", first(func(g *stage) { g.statusDelay = 20 * time.Second }), at(25, func(g *stage) { g.statusErr = errAway; g.write() }), at(179, func(g *stage) { g.write() }), at(199, func(g *stage) { g.write() }), at(200, func(g *stage) { g.write() }))
	add("cache-success", "a success is kept for 20 s", first(nothing), at(1, func(g *stage) { g.statusErr = errAway }), at(10, func(g *stage) { g.health() }), at(19, func(g *stage) { g.health() }), at(20, func(g *stage) { g.health() }), at(22, func(g *stage) { g.health() }), at(24, func(g *stage) { g.health() }))
	add("cache-failure", "a failure is kept for 3 s; the kept text lacks its wrapper", first(func(g *stage) { g.statusErr = errAway }), at(0, func(g *stage) { g.health() }), at(2, func(g *stage) { g.health() }), at(3, func(g *stage) { g.health() }), at(4, func(g *stage) { g.health() }), at(7, func(g *stage) { g.statusErr = nil; g.health() }), at(8, func(g *stage) { g.statusErr = errAway; g.health() }))
	add("cache-failure-unhealthy", "the kept text of an unhealthy plugin has its wrapper", first(func(g *stage) { g.healthz = "sick" }), at(0, func(g *stage) { g.health() }), at(4, func(g *stage) { g.health() }), at(5, func(g *stage) { g.health() }))
	add("health-shares-probe", "a health request's success spares the loop its Status call", first(nothing), at(50, func(g *stage) { g.health() }), at(65, func(g *stage) { g.health() }), at(75, func(g *stage) { g.health() }), at(125, func(g *stage) { g.health() }))
	add("fails-in-main-loop", "after a failed minute poll a probe runs every 10 s until one succeeds", first(nothing), at(59, func(g *stage) { g.statusErr = errAway }), at(95, func(g *stage) { g.statusErr = nil }), at(170, func(g *stage) { g.health() }))
	add("annotations-change", "annotations come with the seed and stay until the key_id changes", first(func(g *stage) { g.annotations = map[string][]byte{"a.b": []byte("1")} }), at(1, func(g *stage) { g.annotations = map[string][]byte{"a.b": []byte("2")}; g.write() }), at(65, func(g *stage) { g.write(); g.keyID = "2" }), at(125, func(g *stage) { g.write() }))

	// One probe at the start, for every answer that may be wrong.
	starts := []struct {
		id, why string
		set     func(*stage)
	}{
		{"healthz-sick", "healthz sick", func(g *stage) { g.healthz = "sick" }},
		{"healthz-upper", "healthz OK in capitals", func(g *stage) { g.healthz = "OK" }},
		{"healthz-blank", "healthz with a blank", func(g *stage) { g.healthz = "ok " }},
		{"healthz-empty", "an empty healthz", func(g *stage) { g.healthz = "" }},
		{"healthz-odd", "a healthz with control characters", func(g *stage) { g.healthz = "\x1b[31m\n" }},
		{"version-v2beta1", "version v2beta1", func(g *stage) { g.version = "v2beta1" }},
		{"version-v2alpha1", "version v2alpha1", func(g *stage) { g.version = "v2alpha1" }},
		{"version-v3", "version v3", func(g *stage) { g.version = "v3" }},
		{"version-v1", "version v1beta1", func(g *stage) { g.version = "v1beta1" }},
		{"version-empty", "an empty version", func(g *stage) { g.version = "" }},
		{"version-upper", "version V2 in capitals", func(g *stage) { g.version = "V2" }},
		{"key-id-empty", "an empty key_id", func(g *stage) { g.keyID = "" }},
		{"key-id-1024", "a key_id of 1,024 bytes", func(g *stage) { g.keyID = strings.Repeat("k", 1024) }},
		{"key-id-1025", "a key_id of 1,025 bytes", func(g *stage) { g.keyID = strings.Repeat("k", 1025) }},
		{"key-id-unicode", "a key_id outside ASCII", func(g *stage) { g.keyID = "schlüssel" }},
		{"three-faults", "healthz, version and key_id wrong at once", func(g *stage) { g.healthz, g.version, g.keyID = "sick", "v9", "" }},
		{"two-faults-good-key", "healthz and version wrong, key_id good", func(g *stage) { g.healthz, g.version = "sick", "v9" }},
		{"four-faults", "healthz and version wrong, and Encrypt fails", func(g *stage) { g.healthz, g.version, g.encryptErr = "sick", "v9", errAway }},
		{"healthz-line", "healthz with a line break", func(g *stage) { g.healthz = "ok\n" }},
		{"healthz-long", "a healthz of 5,000 bytes", func(g *stage) { g.healthz = strings.Repeat("x", 5000) }},
		{"version-blank", "version v2 with a blank", func(g *stage) { g.version = "v2 " }},
		{"version-v2beta2", "version v2beta2", func(g *stage) { g.version = "v2beta2" }},
		{"version-odd", "a version with control characters", func(g *stage) { g.version = "\x1b[31mv2" }},
		{"key-id-1", "a key_id of one byte", func(g *stage) { g.keyID = "k" }},
		{"key-id-blank", "a key_id of one blank", func(g *stage) { g.keyID = " " }},
		{"key-id-nul", "a key_id of one zero byte", func(g *stage) { g.keyID = "\x00" }},
		{"key-id-unicode-1024", "512 characters outside ASCII: 1,024 bytes", func(g *stage) { g.keyID = strings.Repeat("ü", 512) }},
		{"key-id-unicode-1026", "513 characters outside ASCII: 1,026 bytes", func(g *stage) { g.keyID = strings.Repeat("ü", 513) }},
		{"healthz-and-version", "healthz and version wrong", func(g *stage) { g.healthz, g.version = "", "" }},
		{"healthz-and-key-id", "healthz wrong, key_id too long", func(g *stage) { g.healthz, g.keyID = "sick", strings.Repeat("k", 1025) }},
		{"version-and-key-id", "version wrong, key_id empty", func(g *stage) { g.version, g.keyID = "v3", "" }},
		{"status-error", "Status fails", func(g *stage) { g.statusErr = errAway }},
		{"encrypt-error", "Encrypt fails", func(g *stage) { g.encryptErr = errAway }},
		{"encrypt-other-key-id", "Encrypt answers another key_id", func(g *stage) { g.encryptKeyID = text("2") }},
		{"encrypt-empty-key-id", "Encrypt answers an empty key_id", func(g *stage) { g.encryptKeyID = text("") }},
		{"encrypt-long-key-id", "Encrypt answers a key_id of 1,025 bytes", func(g *stage) { g.encryptKeyID = text("%s", strings.Repeat("k", 1025)) }},
		{"encrypt-empty", "Encrypt answers an empty ciphertext", func(g *stage) { g.ciphertext = []byte{} }},
		{"encrypt-1", "Encrypt answers one byte", func(g *stage) { g.ciphertext = []byte{1} }},
		{"encrypt-1024", "Encrypt answers 1,024 bytes", func(g *stage) { g.ciphertext = bytes.Repeat([]byte{1}, 1024) }},
		{"encrypt-1025", "Encrypt answers 1,025 bytes", func(g *stage) { g.ciphertext = bytes.Repeat([]byte{1}, 1025) }},
		{"annotation-good", "an annotation", func(g *stage) { g.annotations = map[string][]byte{"a.b": []byte("x")} }},
		{"annotation-dot", "an annotation key with a trailing dot", func(g *stage) { g.annotations = map[string][]byte{"a.b.": []byte("x")} }},
		{"annotation-bad", "an annotation key of one label", func(g *stage) { g.annotations = map[string][]byte{"foo": []byte("x")} }},
		{"annotation-empty-key", "an empty annotation key", func(g *stage) { g.annotations = map[string][]byte{"": []byte("x")} }},
		{"annotation-32768", "annotations of 32,768 bytes", func(g *stage) { g.annotations = map[string][]byte{"a.b": bytes.Repeat([]byte("x"), 32765)} }},
		{"annotation-32769", "annotations of 32,769 bytes", func(g *stage) { g.annotations = map[string][]byte{"a.b": bytes.Repeat([]byte("x"), 32766)} }},
	}
	for _, c := range starts {
		add("start-"+c.id, "at the start: "+c.why, first(c.set), at(0, look), at(4, func(g *stage) { g.health() }))
	}
	for i, code := range []string{"Unavailable", "DeadlineExceeded", "Unimplemented", "Internal", "PermissionDenied"} {
		add(fmt.Sprintf("status-code-%d", i), "Status fails with gRPC code "+code, first(func(g *stage) { g.statusErr = fmt.Errorf("rpc error: code = %s desc = text %d", code, i) }), at(4, func(g *stage) { g.health(); g.write() }))
	}
	return out
}

// stateKMSv2Key asks again what a rotation touches, of a server that writes in key form.
func stateKMSv2Key() []script {
	asked := map[string]bool{"healthy": true, "away-at-start": true, "goes-away": true, "expiry-instant": true, "revived": true, "rotation": true, "rotation-by-health": true, "rotation-back": true, "rotation-fails": true, "rotation-mismatch": true, "rotation-mismatch-old": true, "sick-rotates": true, "key-id-lost": true, "slow-encrypt": true, "annotations-change": true, "start-encrypt-error": true, "start-encrypt-other-key-id": true, "start-encrypt-empty": true, "start-encrypt-1025": true, "start-annotation-bad": true}
	var out []script
	for _, c := range stateKMSv2() {
		if asked[c.id] {
			c.why, c.keyForm = c.why+" (key form)", true
			out = append(out, c)
		}
	}
	add := func(id, why string, acts ...act) {
		out = append(out, script{id: id, why: why, keyForm: true, acts: acts})
	}
	write := func(g *stage) { g.write() }
	add("counter", "the counter goes on from write to write", first(nothing), at(0, write), at(1, write), at(2, write))
	add("counter-over-polls", "the counter goes on while the key_id stays", first(nothing), at(0, write), at(130, write))
	add("counter-after-rotation", "a new DEK starts its counter again", first(nothing), at(0, write), at(1, func(g *stage) { g.write(); g.keyID = "2" }), at(65, write), at(66, write))
	add("counter-after-expiry", "a revived DEK counts on", first(nothing), at(0, write), at(1, func(g *stage) { g.statusErr = errAway }), at(185, write), at(186, func(g *stage) { g.statusErr = nil }), at(205, write))
	return out
}

func stateKMSv1() []script {
	var out []script
	add := func(id, why string, acts ...act) { out = append(out, script{id: id, why: why, v1: true, acts: acts}) }
	health := func(g *stage) { g.health() }
	add("healthy", "nothing is called before the first health request; a success is kept for 20 s", first(nothing), at(0, health), at(10, health), at(19, health), at(20, health), at(21, health), at(41, health))
	add("encrypt-fails", "Encrypt fails: Decrypt is not called; the failure is kept for 3 s without its wrapper", first(func(g *stage) { g.encryptErr = errAway }), at(0, health), at(2, health), at(3, health), at(4, health), at(7, health))
	add("decrypt-fails", "Decrypt fails: the failure is kept for 3 s without its wrapper", first(func(g *stage) { g.decryptErr = errAway }), at(0, health), at(2, health), at(4, health))
	add("recovers", "a failure, then a success, then a failure", first(func(g *stage) { g.encryptErr = errAway }), at(5, health), at(6, func(g *stage) { g.encryptErr = nil; g.health() }), at(9, health), at(10, func(g *stage) { g.decryptErr = errAway; g.health() }), at(29, health), at(30, health))
	add("other-plaintext", "the plaintext that comes back is not compared", first(func(g *stage) { g.ciphertext = []byte("junk") }), at(5, health))
	add("empty-ciphertext", "an empty ciphertext is taken as it is", first(func(g *stage) { g.ciphertext = []byte{} }), at(5, health))
	add("first-second", "a health request within 3 s of the start is answered by the plugin all the same", first(nothing), act{time.Millisecond, health}, at(1, health))
	return out
}
