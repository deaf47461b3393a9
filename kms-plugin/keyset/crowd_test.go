package keyset_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/k8senc/k8senc/kms-plugin/kektest"
	"github.com/k8senc/k8senc/kms-plugin/keyset"
)

// 10,000 different questions at once: each ends in time, with the seed or with a clear word, and no more than allowed go out.
func TestTenThousandCalls(t *testing.T) {
	withPair(t, nil, func(t *testing.T, p *pair) {
		var requests []keyset.Request
		var seeds [][]byte
		for range 100 {
			request, seed := p.encrypt()
			requests, seeds = append(requests, request), append(seeds, seed)
		}
		p.both(func(f *kektest.Fake) { f.Slow(20 * time.Millisecond) })
		var group sync.WaitGroup
		var good, busy atomic.Int64
		var most atomic.Int64
		for i := range 10_000 {
			group.Go(func() {
				ctx, cancel := as3s()
				defer cancel()
				// The key_id beside a record is part of the question; a wrong one costs no call.
				request := requests[i%100]
				if i >= 5000 {
					sealed, err := p.engine.Encrypt(ctx, newSeed())
					switch {
					case err == nil && sealed != nil:
						good.Add(1)
					case status.Code(err) == codes.ResourceExhausted || status.Code(err) == codes.DeadlineExceeded:
						busy.Add(1)
					default:
						t.Error(err)
					}
					return
				}
				got, err := p.engine.Decrypt(ctx, request)
				switch {
				case err == nil && bytes.Equal(got, seeds[i%100]):
					good.Add(1)
				case status.Code(err) == codes.ResourceExhausted || status.Code(err) == codes.DeadlineExceeded:
					busy.Add(1)
				default:
					t.Errorf("%x %v", got, err)
				}
				for _, key := range p.engine.Snapshot().Keys {
					if n := int64(key.Running); n > most.Load() {
						most.Store(n)
					}
				}
			})
		}
		if took := took(group.Wait); took > 3*time.Second {
			t.Fatalf("the last call ended after %v", took)
		}
		if good.Load()+busy.Load() != 10_000 || good.Load() == 0 || most.Load() > 8 {
			t.Fatalf("%d good, %d busy, %d at once", good.Load(), busy.Load(), most.Load())
		}
		time.Sleep(time.Minute)
		p.opens(requests[0], seeds[0])
		for _, key := range p.engine.Snapshot().Keys {
			if key.Running != 0 || key.Waiting != 0 {
				t.Fatalf("calls are left: %+v", key)
			}
		}
	})
}

// A caller who goes away takes nothing from those who asked the same, whoever of them came first.
func TestCallerGoesAway(t *testing.T) {
	for _, first := range []bool{true, false} {
		withPair(t, nil, func(t *testing.T, p *pair) {
			request, seed := p.encrypt()
			p.aws.Slow(100 * time.Millisecond)
			ctx, cancel := context.WithCancel(context.Background())
			gone, done := make(chan error), make(chan error)
			leaves := func() {
				_, err := p.engine.Decrypt(ctx, request)
				gone <- err
			}
			stays := func() {
				got, err := p.decrypt(request)
				if err == nil && !bytes.Equal(got, seed) {
					err = fmt.Errorf("opened %x", got)
				}
				done <- err
			}
			one, other := leaves, stays
			if !first {
				one, other = stays, leaves
			}
			go one()
			time.Sleep(10 * time.Millisecond)
			go other()
			time.Sleep(10 * time.Millisecond)
			cancel()
			if err := <-gone; !first && status.Code(err) != codes.Canceled {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}
