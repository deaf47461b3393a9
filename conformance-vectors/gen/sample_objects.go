package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	protobufserializer "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
)

// sampleTime is the creation time of the first object; each is a minute later.
var sampleTime = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

var objectCodec = func() runtime.Encoder {
	scheme := runtime.NewScheme()
	must(corev1.AddToScheme(scheme))
	must(coordinationv1.AddToScheme(scheme))
	return protobufserializer.NewSerializer(scheme, scheme)
}()

func stored(o runtime.Object, gvk schema.GroupVersionKind) []byte {
	o.GetObjectKind().SetGroupVersionKind(gvk)
	var b bytes.Buffer
	must(objectCodec.Encode(o, &b))
	return b.Bytes()
}

func meta(namespace, name string, n int) metav1.ObjectMeta {
	u := bytesOf("uid:"+namespace+"/"+name, 16)
	h := hex.EncodeToString(u)
	return metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(sampleTime.Add(time.Duration(n) * time.Minute)),
		UID: types.UID(h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:])}
}

func secretObject(namespace, name string, n int) []byte {
	s := &corev1.Secret{ObjectMeta: meta(namespace, name, n), Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{"token": []byte(hex.EncodeToString(bytesOf(fmt.Sprintf("token-%s-%d", name, n), 12)))}}
	return stored(s, corev1.SchemeGroupVersion.WithKind("Secret"))
}

func configMapObject(namespace, name string, n int) []byte {
	c := &corev1.ConfigMap{ObjectMeta: meta(namespace, name, n), Data: map[string]string{"level": "info", "replicas": fmt.Sprint(n % 7)}}
	return stored(c, corev1.SchemeGroupVersion.WithKind("ConfigMap"))
}

func leaseObject(namespace, name string, n int) []byte {
	holder, seconds := fmt.Sprintf("node-%d", n), int32(40)
	l := &coordinationv1.Lease{ObjectMeta: meta(namespace, name, n), Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds}}
	return stored(l, coordinationv1.SchemeGroupVersion.WithKind("Lease"))
}

func eventObject(namespace, name string, n int) []byte {
	e := &corev1.Event{ObjectMeta: meta(namespace, name, n), Reason: "Pulled", Message: fmt.Sprintf("Container image %d already present on machine", n), Type: "Normal", Count: int32(n % 5),
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: name[:len(name)-17]}}
	return stored(e, corev1.SchemeGroupVersion.WithKind("Event"))
}

func customObject(kind, namespace, name string, n int) []byte {
	m := meta(namespace, name, n)
	raw, err := json.Marshal(map[string]any{"apiVersion": "example.com/v1", "kind": kind,
		"metadata": map[string]any{"name": name, "namespace": namespace, "uid": m.UID, "creationTimestamp": m.CreationTimestamp},
		"spec":     map[string]any{"size": n % 11, "password": hex.EncodeToString(bytesOf("spec-"+name, 8))}})
	must(err)
	return append(raw, '\n')
}
