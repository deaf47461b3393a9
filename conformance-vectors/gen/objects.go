package main

import (
	"bytes"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured/unstructuredscheme"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor"
	"k8s.io/apimachinery/pkg/runtime/serializer/recognizer"
)

// ObjectCase asks what a plaintext is.
type ObjectCase struct {
	ID     string       `json:"id"`
	Why    string       `json:"why"`
	Plain  string       `json:"plaintext"`
	Expect ObjectExpect `json:"expect"`
}

// ObjectExpect is which serializer claims the bytes, and what they decode to.
type ObjectExpect struct {
	Form    string      `json:"form"`
	Decoded *ObjectName `json:"decoded,omitempty"`
}

// ObjectName is what a decoded object says of itself.
type ObjectName struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
}

var objectScheme, objectCodecs = func() (*runtime.Scheme, serializer.CodecFactory) {
	s := runtime.NewScheme()
	must(corev1.AddToScheme(s))
	must(appsv1.AddToScheme(s))
	must(coordinationv1.AddToScheme(s))
	return s, serializer.NewCodecFactory(s, serializer.WithSerializer(cbor.NewSerializerInfo))
}()

const (
	mediaProtobuf = "application/vnd.kubernetes.protobuf"
	mediaJSON     = "application/json"
	mediaYAML     = "application/yaml"
	mediaCBOR     = "application/cbor"
)

// storedObjects are encoded as the storage layer does it, by media type.
func storedObjects() map[string]runtime.Object {
	om := metav1.ObjectMeta{Name: "db", Namespace: "shop", UID: "b6b3d28c", Labels: map[string]string{"a": "b", "c": "d"},
		Annotations: map[string]string{"long": string(bytes.Repeat([]byte("x"), 200))}}
	return map[string]runtime.Object{
		"secret":     &corev1.Secret{ObjectMeta: om, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"password": seq(0, 40)}},
		"configmap":  &corev1.ConfigMap{ObjectMeta: om, Data: map[string]string{"k": "{\"kind\":\"no\"}"}},
		"event":      &corev1.Event{ObjectMeta: om, Message: "pulled"},
		"pod":        &corev1.Pod{ObjectMeta: om},
		"node":       &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}},
		"deployment": &appsv1.Deployment{ObjectMeta: om},
		"lease":      &coordinationv1.Lease{ObjectMeta: om},
		"range":      &corev1.RangeAllocation{Range: "10.96.0.0/12", Data: seq(0, 9)},
		"unicode":    &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "u", Namespace: "shop"}, Data: map[string]string{"k": "<\u2028\u00e9>\""}},
	}
}

func encodeObject(o runtime.Object, media string) []byte {
	info, ok := runtime.SerializerInfoForMediaType(objectCodecs.SupportedMediaTypes(), media)
	if !ok {
		fatal("no serializer for %s", media)
	}
	kinds, _, err := objectScheme.ObjectKinds(o)
	must(err)
	var b bytes.Buffer
	must(objectCodecs.EncoderForVersion(info.Serializer, kinds[0].GroupVersion()).Encode(o, &b))
	return b.Bytes()
}

func encodeCustom(media string) []byte {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Widget",
		"metadata": map[string]any{"name": "w", "namespace": "shop", "labels": map[string]any{"kind": "no"}},
		"data":     map[string]any{"apiVersion": "no", "list": []any{int64(1), "two", nil}},
	}}
	info, ok := runtime.SerializerInfoForMediaType(unstructuredscheme.NewUnstructuredNegotiatedSerializer().SupportedMediaTypes(), media)
	var b bytes.Buffer
	if media == mediaCBOR {
		must(cbor.NewSerializer(objectScheme, objectScheme).Encode(u, &b))
	} else if ok {
		must(info.Serializer.Encode(u, &b))
	} else {
		fatal("no serializer for %s", media)
	}
	return b.Bytes()
}

// formOf asks each serializer whether the bytes are its own, as the universal decoder does.
func formOf(plain []byte) string {
	for _, media := range []string{mediaProtobuf, mediaCBOR, mediaJSON} {
		info, _ := runtime.SerializerInfoForMediaType(objectCodecs.SupportedMediaTypes(), media)
		r, ok := info.Serializer.(recognizer.RecognizingDecoder)
		if !ok {
			fatal("%s does not recognize", media)
		}
		if mine, _, err := r.RecognizesData(plain); err == nil && mine {
			return map[string]string{mediaProtobuf: "protobuf", mediaCBOR: "cbor", mediaJSON: "json"}[media]
		}
	}
	return "none"
}

// decodeObject decodes built-in types, and what has another kind as a custom resource.
func decodeObject(plain []byte) *ObjectName {
	o, gvk, err := objectCodecs.UniversalDeserializer().Decode(plain, nil, nil)
	if runtime.IsNotRegisteredError(err) && formOf(plain) == "json" {
		o, gvk, err = unstructured.UnstructuredJSONScheme.Decode(plain, nil, nil)
	} else if runtime.IsNotRegisteredError(err) && formOf(plain) == "cbor" {
		o, gvk, err = cbor.NewSerializer(objectScheme, objectScheme).Decode(plain, nil, &unstructured.Unstructured{})
	}
	if err != nil {
		return nil
	}
	named, err := apimeta.Accessor(o)
	must(err)
	version, kind := gvk.ToAPIVersionAndKind()
	return &ObjectName{version, kind, named.GetNamespace(), named.GetName()}
}

func objectForms(s *Suite) {
	add := func(id, why string, plain []byte) {
		s.add(id, ObjectCase{id, why, *hexed(plain), ObjectExpect{formOf(plain), decodeObject(plain)}})
	}
	objects := storedObjects()
	for _, name := range []string{"secret", "configmap", "event", "pod", "node", "deployment", "lease", "range", "unicode"} {
		for _, media := range []string{mediaProtobuf, mediaJSON, mediaYAML, mediaCBOR} {
			form := media[len("application/"):]
			if media == mediaProtobuf {
				form = "protobuf"
			}
			add(name+"-"+form, fmt.Sprintf("a %s as the storage layer encodes it to %s", name, form), encodeObject(objects[name], media))
		}
	}
	add("custom-json", "a custom resource: keys sorted, apiVersion and kind not first", encodeCustom(mediaJSON))
	add("custom-cbor", "a custom resource under CBORServingAndStorage", encodeCustom(mediaCBOR))

	// Damage that a wrong key or a cut leaves where the form is decided.
	secret := encodeObject(objects["secret"], mediaProtobuf)
	add("empty", "no bytes at all", nil)
	add("protobuf-magic-alone", "four bytes of magic and no envelope", []byte("k8s\x00"))
	add("protobuf-magic-cut", "three of the four bytes of magic", []byte("k8s"))
	for _, n := range []int{5, 7, 11, 40, len(secret) - 5} {
		add(fmt.Sprintf("protobuf-cut-%d", n), fmt.Sprintf("an envelope cut after %d bytes", n), secret[:n])
	}
	add("protobuf-no-type", "an envelope whose typeMeta is missing", cat("k8s\x00", "\x12\x00\x1a\x00\x22\x00"))
	add("protobuf-no-kind", "an envelope whose typeMeta has no kind", cat("k8s\x00", "\x0a\x04\x0a\x02v1\x12\x00\x1a\x00\x22\x00"))
	add("json-empty", "an empty JSON object has no kind", []byte("{}\n"))
	add("json-no-kind", "JSON without kind", []byte("{\"apiVersion\":\"v1\"}\n"))
	add("json-no-version", "JSON of a built-in without apiVersion", []byte("{\"kind\":\"Secret\"}\n"))
	add("json-spaces", "JSON after ASCII white space", []byte(" \t\r\n{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"}}"))
	add("json-escapes", "escapes in the words themselves", []byte("{\"apiVersion\":\"v1\",\"kind\":\"\\u0053ecret\",\"metadata\":{\"name\":\"\\u0061\",\"namespace\":\"b\"}}"))
	add("json-null-metadata", "metadata may be null", []byte("{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":null}"))
	add("json-garbage", "one wrong key in 65,536 leaves an opening brace and noise", cat("{", string(bytesOf("json-garbage", 47))))
	add("json-array", "an array is no object", []byte("[{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}]"))
	add("cbor-integer", "self-described CBOR that is no map", []byte{0xd9, 0xd9, 0xf7, 0x01})
	add("noise", "random bytes", bytesOf("object-noise", 48))
	add("zeros", "nothing but NUL bytes", make([]byte, 32))
	add("text", "text that is no object", []byte("hello\n"))
}
