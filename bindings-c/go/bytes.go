package k8senc

// #include <k8senc.h>
import "C"

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// in points at bytes for the time of one call.
func in(b []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b))
}

// inString points at the bytes of a text for the time of one call.
func inString(s string) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.StringData(s)), C.size_t(len(s))
}

// text copies a text of the library. `len` leaves its NUL out.
func text(pointer *C.char, length C.size_t) string {
	if pointer == nil {
		return ""
	}
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(pointer)), int(length)))
}

// take copies what the library handed out, wipes and frees the original.
func take(buffer *C.k8senc_buf) []byte {
	defer C.k8senc_buf_free(buffer)
	if buffer.ptr == nil {
		return []byte{}
	}
	return slices.Clone(unsafe.Slice((*byte)(buffer.ptr), int(buffer.len)))
}

func takeJSON(buffer *C.k8senc_buf, into any) error {
	return json.Unmarshal(take(buffer), into)
}

var errLength = errors.New("k8senc: a part of a packed list has over 4 GiB")

// pack lays parts out as the library takes lists: each with its length in front, 4 bytes, big endian.
func pack(parts ...[]byte) ([]byte, error) {
	size := 0
	for _, part := range parts {
		if len(part) > math.MaxUint32 {
			return nil, errLength
		}
		size += 4 + len(part)
	}
	out := make([]byte, 0, size)
	for _, part := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out, nil
}

// unpack gives the parts of a list that is ours to keep.
func unpack(packed []byte) [][]byte {
	parts := make([][]byte, 0, 8)
	for len(packed) >= 4 {
		length := int(binary.BigEndian.Uint32(packed))
		packed = packed[4:]
		if length > len(packed) {
			break
		}
		parts = append(parts, packed[:length:length])
		packed = packed[length:]
	}
	return parts
}

// packAnnotations sorts them, so that equal ones are the same bytes.
func packAnnotations(annotations map[string][]byte) ([]byte, error) {
	if len(annotations) == 0 {
		return nil, nil
	}
	names := make([]string, 0, len(annotations))
	for name := range annotations {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([][]byte, 0, 2*len(names))
	for _, name := range names {
		parts = append(parts, []byte(name), annotations[name])
	}
	return pack(parts...)
}
