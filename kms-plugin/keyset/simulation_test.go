package keyset_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// poll is how often kube-apiserver asks for Status.
const poll = time.Minute

type change struct {
	at    time.Time
	keyID string
}

// watch asks every node for its Status as kube-apiserver does and notes changes, and that everybody reads what everybody writes.
func watch(t *testing.T, nodes []*node, seen map[int][]change, until time.Time) {
	t.Helper()
	for time.Now().Before(until) {
		for i, one := range nodes {
			status := one.engine.Status()
			if status.Healthz != "ok" || status.KeyID == "" {
				t.Fatalf("node %d at %v: %+v", i, time.Now(), status)
			}
			if known := seen[i]; len(known) == 0 || known[len(known)-1].keyID != status.KeyID {
				seen[i] = append(seen[i], change{time.Now(), status.KeyID})
			}
		}
		if time.Now().Second() == 0 {
			writer := nodes[int(time.Now().Unix()/60)%len(nodes)]
			request, seed := writer.encrypt()
			for _, reader := range nodes {
				reader.opens(request, seed)
			}
		}
		time.Sleep(time.Second)
	}
}

func sameWay(t *testing.T, seen map[int][]change, rotations int, apart time.Duration) {
	t.Helper()
	for i, changes := range seen {
		if len(changes) != rotations+1 {
			t.Fatalf("node %d had %d key_ids, %d are right: %v", i, len(changes), rotations+1, changes)
		}
		known := map[string]bool{}
		for step, one := range changes {
			if known[one.keyID] {
				t.Fatalf("node %d came back to a key_id: %v", i, changes)
			}
			known[one.keyID] = true
			if one.keyID != seen[0][step].keyID {
				t.Fatalf("node %d goes another way than node 0", i)
			}
			if step > 0 {
				if away := one.at.Sub(seen[0][step].at).Abs(); away > apart {
					t.Fatalf("node %d switched %v away from node 0, at most %v are right", i, away, apart)
				}
			}
		}
	}
}

// Three nodes that do not talk see one key being rotated again and again, with clocks that are off by some seconds, as with NTP.
func TestThreeNodesSwitchTogether(t *testing.T) {
	for _, skews := range [][3]time.Duration{{0, 0, 0}, {-20 * time.Second, 0, 20 * time.Second}, {-4 * time.Minute, 0, 7 * time.Minute}} {
		t.Run(fmt.Sprint(skews), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				google, vault := kektest.New("google", kek.GCP, time.Now()), kektest.New("vault", kek.Transit, time.Now())
				var nodes []*node
				for _, skew := range skews {
					nodes = append(nodes, start(t, &memory{}, func(o *keyset.Options) { o.Clock = skewed(skew) }, keyOf(1, google), keyOf(2, vault)).ready())
					time.Sleep(17 * time.Second)
				}
				seen := map[int][]change{}
				watch(t, nodes, seen, time.Now().Add(20*time.Minute))
				google.Rotate(time.Now())
				watch(t, nodes, seen, time.Now().Add(41*time.Minute))
				vault.Rotate(time.Now())
				watch(t, nodes, seen, time.Now().Add(3*time.Minute))
				google.Rotate(time.Now())
				watch(t, nodes, seen, time.Now().Add(41*time.Minute))
				spread := skews[2] - skews[0]
				rotations := len(seen[0]) - 1
				if rotations < 2 || rotations > 3 {
					t.Fatalf("%d switches for 3 rotations", rotations)
				}
				sameWay(t, seen, rotations, spread+2*time.Second)
				for _, one := range nodes {
					one.stop()
				}
			})
		})
	}
}

// AWS wraps with its current version only: the nodes follow it within two looks, and only in that time Encrypt fails.
func TestThreeNodesFollowAWS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		aws, vault := kektest.New("aws", kek.AWS, time.Now()), kektest.New("vault", kek.Transit, time.Now())
		var nodes []*node
		for range 3 {
			nodes = append(nodes, start(t, &memory{}, nil, keyOf(1, aws), keyOf(2, vault)).ready())
			time.Sleep(17 * time.Second)
		}
		before := nodes[0].engine.Status().KeyID
		old, seed := nodes[0].encrypt()
		for _, one := range nodes {
			one.opens(old, seed)
		}
		aws.Rotate(time.Now())
		nodes[0].encryptFails(codes.FailedPrecondition)
		time.Sleep(2*time.Minute + 2*time.Second)
		for i, one := range nodes {
			if now := one.engine.Status(); now.KeyID == before || now.KeyID != nodes[0].engine.Status().KeyID || now.Healthz != "ok" {
				t.Fatalf("node %d: %+v", i, now)
			}
			request, fresh := one.encrypt()
			for _, other := range nodes {
				other.opens(request, fresh)
				other.opens(old, seed)
			}
		}
		for _, one := range nodes {
			one.stop()
		}
	})
}

// A KMS that does not say when a version was made: the nodes go by their own second look, which is at most a minute apart.
func TestThreeNodesWithoutCreationTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hsm := kektest.New("hsm", kek.PKCS11, time.Time{})
		var nodes []*node
		for range 3 {
			nodes = append(nodes, start(t, &memory{}, nil, keyOf(1, hsm)).ready())
			time.Sleep(20 * time.Second)
		}
		seen := map[int][]change{}
		watch(t, nodes, seen, time.Now().Add(5*time.Minute))
		hsm.Rotate(time.Time{})
		watch(t, nodes, seen, time.Now().Add(40*time.Minute))
		sameWay(t, seen, 1, 5*time.Minute+2*time.Second)
		for _, one := range nodes {
			one.stop()
		}
	})
}

// A replica of the KMS that lags answers now with the new version, now with the old one.
func TestLaggingReplicaDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		vault := kektest.New("vault", kek.Transit, begin.Add(-time.Hour))
		lag := &lagging{Fake: vault}
		one := start(t, &memory{}, nil, keyOf(1, lag)).ready()
		seen := map[int][]change{}
		watch(t, []*node{one}, seen, time.Now().Add(15*time.Minute))
		vault.Rotate(time.Now())
		lag.flapFrom(time.Now())
		watch(t, []*node{one}, seen, time.Now().Add(2*time.Hour))
		if len(seen[0]) > 2 {
			t.Fatalf("the key_id flapped: %v", seen[0])
		}
		lag.flapFrom(time.Time{})
		watch(t, []*node{one}, seen, time.Now().Add(30*time.Minute))
		if len(seen[0]) != 2 {
			t.Fatalf("%d key_ids, 2 are right", len(seen[0]))
		}
		one.stop()
	})
}

// A node that restarts in the middle goes on where it was, and switches with the others.
func TestRestartWhileAVersionSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vault := kektest.New("vault", kek.Transit, time.Now().Add(-time.Hour))
		stores := []*memory{{}, {}}
		nodes := []*node{start(t, stores[0], nil, keyOf(1, vault)).ready(), start(t, stores[1], nil, keyOf(1, vault)).ready()}
		seen := map[int][]change{}
		watch(t, nodes, seen, time.Now().Add(2*time.Minute))
		vault.Rotate(time.Now())
		watch(t, nodes, seen, time.Now().Add(5*time.Minute))
		nodes[1].stop()
		nodes[1] = start(t, stores[1], nil, keyOf(1, vault)).ready()
		watch(t, nodes, seen, time.Now().Add(30*time.Minute))
		sameWay(t, seen, 1, 2*time.Second)
		for _, one := range nodes {
			one.stop()
		}
	})
}
