package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"k8senc.dev/e2e/internal/stage"
)

// widgets is the run's own custom resource.
var widgets = schema.GroupVersionResource{Group: "e2e.k8senc.dev", Version: "v1", Resource: "widgets"}

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// clients are what talks to one server.
type clients struct {
	typed   kubernetes.Interface
	dynamic dynamic.Interface
}

func clientsOf(server *stage.Server) (clients, error) {
	typed, err := kubernetes.NewForConfig(server.Client)
	if err != nil {
		return clients{}, err
	}
	untyped, err := dynamic.NewForConfig(server.Client)
	return clients{typed, untyped}, err
}

// defineWidgets makes the custom resource, and waits until it is served.
func (c clients) defineWidgets(ctx context.Context) error {
	definition := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": widgets.Resource + "." + widgets.Group},
		"spec": map[string]any{
			"group": widgets.Group,
			"names": map[string]any{"plural": widgets.Resource, "singular": "widget", "kind": "Widget"},
			"scope": "Namespaced",
			"versions": []any{map[string]any{
				"name": widgets.Version, "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}}
	_, err := c.dynamic.Resource(crds).Create(ctx, definition, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the custom resource cannot be defined: %w", err)
	}
	return eventually(ctx, time.Minute, func() error {
		_, err := c.dynamic.Resource(widgets).List(ctx, metav1.ListOptions{})
		return err
	})
}

// fill makes a namespace with secrets, config maps and widgets of all shapes, and says how many of each.
func (c clients) fill(ctx context.Context, namespace string) (each int, err error) {
	_, err = c.typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return 0, fmt.Errorf("namespace %s: %w", namespace, err)
	}
	sizes := []int{0, 1, 15, 16, 17, 100, 1024, 4096, 100_000}
	for i, size := range sizes {
		name := fmt.Sprintf("of-%d-bytes", size)
		secret := secretOf(namespace, name, size)
		if i%2 == 1 {
			secret.Immutable = new(true)
		}
		if _, err := c.typed.CoreV1().Secrets(namespace).Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return 0, fmt.Errorf("secret %s/%s: %w", namespace, name, err)
		}
		text := string(bytes.Repeat([]byte("größe "), size/7))
		configMap := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"size": fmt.Sprint(size)}},
			Data:       map[string]string{"text": text, "empty": ""},
			BinaryData: map[string][]byte{"noise": noise(size)},
		}
		if _, err := c.typed.CoreV1().ConfigMaps(namespace).Create(ctx, configMap, metav1.CreateOptions{}); err != nil {
			return 0, fmt.Errorf("config map %s/%s: %w", namespace, name, err)
		}
		if _, err := c.dynamic.Resource(widgets).Namespace(namespace).Create(ctx, widgetOf(namespace, name, text), metav1.CreateOptions{}); err != nil {
			return 0, fmt.Errorf("widget %s/%s: %w", namespace, name, err)
		}
	}
	return len(sizes), nil
}

func secretOf(namespace, name string, size int) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{"e2e.k8senc.dev/why": "zażółć \u202e \"quoted\"\n"}},
		Data:       map[string][]byte{"noise": noise(size), "empty": {}},
		Type:       corev1.SecretTypeOpaque,
	}
}

func widgetOf(namespace, name, text string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": widgets.Group + "/" + widgets.Version,
		"kind":       "Widget",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec": map[string]any{
			"text": text, "whole": int64(9007199254740993), "broken": 0.1, "nothing": nil, "list": []any{true, false, map[string]any{}},
		},
	}}
}

// noise is bytes that do not compress and are the same in every run.
func noise(size int) []byte {
	out, state := make([]byte, size), uint64(size)+0x9e3779b97f4a7c15
	for i := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[i] = byte(state >> 32)
	}
	return out
}

// eventually asks until it goes well.
func eventually(ctx context.Context, limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
