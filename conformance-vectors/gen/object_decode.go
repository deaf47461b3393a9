package main

import (
	"bytes"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// DecodeCase asks for the JSON form of a stored protobuf object.
type DecodeCase struct {
	ID     string       `json:"id"`
	Why    string       `json:"why"`
	Plain  string       `json:"plaintext"`
	Expect DecodeExpect `json:"expect"`
}

// DecodeExpect is the JSON that the real code makes of the bytes, after having decoded them.
type DecodeExpect struct {
	JSON string `json:"json"`
}

var allCodecs = serializer.NewCodecFactory(scheme.Scheme)

func codecOf(media string) runtime.Serializer {
	info, ok := runtime.SerializerInfoForMediaType(allCodecs.SupportedMediaTypes(), media)
	if !ok {
		fatal("no serializer for %s", media)
	}
	return info.Serializer
}

func encodeAny(o runtime.Object, gv schema.GroupVersion, media string) []byte {
	var b bytes.Buffer
	must(allCodecs.EncoderForVersion(codecOf(media), gv).Encode(o, &b))
	return b.Bytes()
}

// filler sets fields to values that differ from their neighbours, each message twice at most, so that the
// pod template is not written down for every kind that has one.
type filler struct {
	count int
	done  map[reflect.Type]int
}

var fillStrings = []string{"plain", "two words", "<&>", "line\nline\n", "ünï ✓", "0644", "yes", "", "\"quoted\" \\ \t", "- dash: #"}
var fillInts = []int64{1, -1, 80, 2147483647, -2147483648, 0, 300}
var fillQuantities = []string{"100m", "1Gi", "0", "1500m", "64Mi", "1e3", "-5", "2.5Gi", "12"}
var fillSeconds = []int64{1, 1700000000, 951782400, -1, 1709164799, 4102444800}

func (f *filler) fill(v reflect.Value) {
	f.count++
	n := f.count
	switch p := v.Addr().Interface().(type) {
	case *metav1.Time:
		*p = metav1.Unix(fillSeconds[n%len(fillSeconds)], 0)
		return
	case *metav1.MicroTime:
		*p = metav1.MicroTime{Time: metav1.Unix(fillSeconds[n%len(fillSeconds)], int64(n%1000)*1001000).Time}
		return
	case *metav1.Duration:
		p.Duration = []metav1.Duration{{Duration: 90e9}, {Duration: 0}, {Duration: 1500}, {Duration: 3600e9 + 1e6}, {Duration: -2e9}}[n%5].Duration
		return
	case *resource.Quantity:
		*p = resource.MustParse(fillQuantities[n%len(fillQuantities)])
		return
	case *intstr.IntOrString:
		*p = []intstr.IntOrString{intstr.FromString("http"), intstr.FromInt32(8080), intstr.FromString("25%"), intstr.FromInt32(0)}[n%4]
		return
	case *runtime.RawExtension:
		p.Raw = []byte(`{"z":1,"a":[true,null,"x\u003c",-1.5],"m":{}}`)
		return
	case *metav1.FieldsV1:
		p.SetRawString(`{"f:data":{"f:k":{}}}`)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fillStrings[n%len(fillStrings)])
	case reflect.Bool:
		v.SetBool(n%3 != 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(fillInts[n%len(fillInts)])
	case reflect.Float64:
		v.SetFloat([]float64{0.5, -3, 1e21}[n%3])
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && f.done[v.Type().Elem()] >= 2 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(seq(byte(n), n%5))
			return
		}
		s := reflect.MakeSlice(v.Type(), 1+n%2, 1+n%2)
		for i := range s.Len() {
			f.fill(s.Index(i))
		}
		v.Set(s)
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for i := range 2 {
			e := reflect.New(v.Type().Elem()).Elem()
			f.fill(e)
			m.SetMapIndex(reflect.ValueOf(fmt.Sprintf("k%d", 10-i)).Convert(v.Type().Key()), e)
		}
		v.Set(m)
	case reflect.Struct:
		if f.done[v.Type()] >= 2 && f.count > 1 {
			return
		}
		f.done[v.Type()]++
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "TypeMeta" {
				f.fill(v.Field(i))
			}
		}
	default:
		fatal("no filling for %s", v.Type())
	}
}

func objectDecode(s *Suite) {
	f := &filler{done: map[reflect.Type]int{}}
	for _, gvk := range storedKinds() {
		for _, full := range []bool{true, false} {
			o, err := scheme.Scheme.New(gvk)
			must(err)
			id, why := "empty", "nothing set: what is written nevertheless"
			if full {
				id, why = "full", "fields set, each message type in two kinds at most"
				f.count = 0
				f.done[reflect.TypeOf(o).Elem()] = 0
				f.fill(reflect.ValueOf(o).Elem())
				o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
			}
			plain := encodeAny(o, gvk.GroupVersion(), mediaProtobuf)
			decoded, got, err := allCodecs.UniversalDeserializer().Decode(plain, nil, nil)
			must(err)
			if *got != gvk {
				fatal("%s decodes to %s", gvk, got)
			}
			json := encodeAny(decoded, gvk.GroupVersion(), mediaJSON)
			id = fmt.Sprintf("%s/%s/%s", gvk.GroupVersion(), gvk.Kind, id)
			s.add(id, DecodeCase{id, why, *hexed(plain), DecodeExpect{string(bytes.TrimSuffix(json, []byte("\n")))}})
		}
	}
}
