package aws

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// The material behind a key is known, best first, by the id that DescribeKey gives, by the 32 bytes that KMS's blobs begin with
// (AWS calls them HBKID), and by the date of the last rotation. Which of them it is depends on the KMS alone, so that all servers
// take the same.

// backing remembers what costs calls.
type backing struct {
	mu sync.Mutex
	// created is by material id.
	created map[string]time.Time
	// seen is by ARN and date of the last rotation: nil where blobs name no material.
	seen map[string][]byte
}

const (
	hbkidFrom = 5
	hbkidEnd  = hbkidFrom + 32
)

// blobHead is how KMS's blobs begin that were seen to name their material.
var blobHead = []byte{0x01, 0x02, 0x02, 0x00, 0x78}

func hbkid(blob []byte) ([]byte, bool) {
	if len(blob) < hbkidEnd || !bytes.HasPrefix(blob, blobHead) {
		return nil, false
	}
	return bytes.Clone(blob[hbkidFrom:hbkidEnd]), true
}

func materialName(material []byte) string {
	switch {
	case len(material) == hbkidEnd-hbkidFrom:
		return fmt.Sprintf("backing key %x", material[:8])
	case bytes.HasPrefix(material, []byte("rotated ")):
		return string(material)
	default:
		return "material " + string(material[:min(len(material), 16)])
	}
}

func (b *Backend) material(ctx context.Context, about *types.KeyMetadata) ([]byte, time.Time, error) {
	if id := sdk.ToString(about.CurrentKeyMaterialId); id != "" {
		return []byte(id), b.createdOf(ctx, about, id), nil
	}
	rotated, err := b.lastRotation(ctx, *about.Arn)
	if err != nil {
		return nil, time.Time{}, err
	}
	created := rotated
	if rotated.IsZero() {
		created = sdk.ToTime(about.CreationDate)
	}
	named, err := b.probe(ctx, *about.Arn, rotated)
	if err != nil {
		return nil, time.Time{}, err
	}
	if named != nil {
		return named, created, nil
	}
	return dated(rotated), created, nil
}

func dated(rotated time.Time) []byte {
	if rotated.IsZero() {
		return []byte("rotated never")
	}
	return strconv.AppendInt([]byte("rotated "), rotated.Unix(), 10)
}

// createdOf is when the material became the current one. It needs kms:ListKeyRotations, and is zero without it.
func (b *Backend) createdOf(ctx context.Context, about *types.KeyMetadata, id string) time.Time {
	b.backing.mu.Lock()
	known, ok := b.backing.created[id]
	b.backing.mu.Unlock()
	if ok {
		return known
	}
	created, err := b.lastRotation(ctx, *about.Arn)
	if err != nil {
		return time.Time{}
	}
	if created.IsZero() {
		created = sdk.ToTime(about.CreationDate)
	}
	b.backing.mu.Lock()
	defer b.backing.mu.Unlock()
	if b.backing.created == nil {
		b.backing.created = map[string]time.Time{}
	}
	b.backing.created[id] = created
	return created
}

// lastRotation is zero where the key was never rotated. KMS keeps no more rotations than fit in a few pages.
func (b *Backend) lastRotation(ctx context.Context, arn string) (time.Time, error) {
	var last time.Time
	var marker *string
	for range 100 {
		answer, seen, err := call(ctx, b, "current", func(ctx context.Context) (*kms.ListKeyRotationsOutput, error) {
			return b.client.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &arn, Marker: marker})
		})
		if err != nil {
			return time.Time{}, err
		}
		for _, rotation := range answer.Rotations {
			if at := sdk.ToTime(rotation.RotationDate); at.After(last) {
				last = at
			}
		}
		if !answer.Truncated {
			return last.Truncate(time.Second), nil
		}
		if answer.NextMarker == nil || *answer.NextMarker == "" {
			return time.Time{}, seen.Fail(kek.Misconfigured, "current", "", errors.New("the list of rotations goes on without saying where"))
		}
		marker = answer.NextMarker
	}
	return time.Time{}, &kek.Error{Class: kek.Misconfigured, Op: "current", Err: errors.New("the list of rotations does not end")}
}

// probe encrypts twice where it has not since the last rotation, and answers the material that both blobs name, nil for none.
func (b *Backend) probe(ctx context.Context, arn string, rotated time.Time) ([]byte, error) {
	at := arn + " " + string(dated(rotated))
	b.backing.mu.Lock()
	known, ok := b.backing.seen[at]
	b.backing.mu.Unlock()
	if ok {
		return known, nil
	}
	var named [2][]byte
	for i := range named {
		nothing := make([]byte, connect.KeyLen)
		if _, err := rand.Read(nothing); err != nil {
			return nil, &kek.Error{Class: kek.Unavailable, Op: "current", Err: err}
		}
		answer, _, err := b.encrypt(ctx, "current", arn, nothing, "kw1-probe|material")
		if err != nil {
			return nil, err
		}
		named[i], _ = hbkid(answer.CiphertextBlob)
		b.mu.Lock()
		b.wrapLen = len(answer.CiphertextBlob)
		b.mu.Unlock()
	}
	if !bytes.Equal(named[0], named[1]) {
		return nil, &kek.Error{Class: kek.Unavailable, Op: "current", Err: errors.New("two encryptions named two backing keys: a rotation is under way")}
	}
	b.backing.mu.Lock()
	defer b.backing.mu.Unlock()
	if b.backing.seen == nil {
		b.backing.seen = map[string][]byte{}
	}
	b.backing.seen[at] = named[0]
	return named[0], nil
}

// sameMaterial makes sure, after an encryption, that it was made with material.
func (b *Backend) sameMaterial(ctx context.Context, arn string, material, blob []byte) error {
	changed := &kek.Error{Class: kek.Changed, Op: "wrap", Err: fmt.Errorf("the key's material is no longer %s", materialName(material))}
	switch {
	case len(material) == hbkidEnd-hbkidFrom:
		if now, ok := hbkid(blob); !ok || !bytes.Equal(now, material) {
			b.backing.mu.Lock()
			b.backing.seen = nil
			b.backing.mu.Unlock()
			return changed
		}
	case bytes.HasPrefix(material, []byte("rotated ")):
		rotated, err := b.lastRotation(ctx, arn)
		if err != nil {
			return err
		}
		if !bytes.Equal(dated(rotated), material) {
			return changed
		}
	default:
		about, _, err := b.describe(ctx, "wrap", arn)
		if err != nil {
			return err
		}
		if sdk.ToString(about.CurrentKeyMaterialId) != string(material) {
			return changed
		}
	}
	return nil
}
