package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/scheme"

	"k8senc.dev/e2e/internal/stage"
)

// written is an object that a binding of ours sealed.
type written struct {
	plain
	namespace, name string
	object          map[string]any
}

const sealedNamespace = "sealed"

// sealed has every binding seal objects under every provider, puts them into etcd, and asks the real kube-apiserver for them.
func (r *run) sealed(ctx context.Context, w *world) error {
	_, err := w.client.typed.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: sealedNamespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for _, s := range sealers {
		served := 0
		for _, p := range w.all {
			j := job{Config: string(configuration(w.all, p.name)), KMS: map[string][2]string{}}
			if p.endpoint != "" {
				j.KMS[p.name] = [2]string{p.endpoint, strings.TrimPrefix(p.kind, "kms-")}
			}
			objects, err := objectsToSeal(s.short + "-" + p.name)
			if err != nil {
				return err
			}
			for _, one := range objects {
				j.Values = append(j.Values, one.plain)
			}
			values, err := s.seal(ctx, r, w.wrappers[p.name], j)
			if err != nil {
				return fmt.Errorf("%s with %s: %w", s.name, p.name, err)
			}
			if len(values) != len(objects) {
				return fmt.Errorf("%s sealed %d values with %s, %d were wanted", s.name, len(values), p.name, len(objects))
			}
			for i, one := range objects {
				if err := put(ctx, w.etcd, one.Key, values[i]); err != nil {
					return err
				}
				if err := r.isServed(ctx, w, one); err != nil {
					return fmt.Errorf("sealed by %s with %s: %w", s.name, p.name, err)
				}
				served++
			}
		}
		r.Add("formats", "values sealed by our "+s.name+" that kube-apiserver "+r.release+" serves and updates", served)
	}
	r.Say("kube-apiserver %s serves what our libraries sealed", r.release)
	return nil
}

// isServed reads an object through the API, then has the API update it, which reads and writes it in etcd.
func (r *run) isServed(ctx context.Context, w *world, one written) error {
	resource := widgets
	if one.Resource == "secrets" {
		resource = corev1.SchemeGroupVersion.WithResource("secrets")
	}
	client := w.client.dynamic.Resource(resource).Namespace(one.namespace)
	got, err := client.Get(ctx, one.name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("%s is not served: %w", one.Key, err)
	}
	got.SetResourceVersion("")
	if difference := firstDifference("", one.object, got.Object); difference != "" {
		return fmt.Errorf("%s is served differently%s", one.Key, strings.Replace(difference, "ours", "sealed", 1))
	}
	patch := []byte(`{"metadata":{"labels":{"e2e.k8senc.dev/updated":"yes"}}}`)
	if _, err := client.Patch(ctx, one.name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("%s cannot be updated: %w", one.Key, err)
	}
	return nil
}

// objectsToSeal is a secret in protobuf and a widget in JSON, as kube-apiserver stores them.
func objectsToSeal(name string) ([]written, error) {
	secret := secretOf(sealedNamespace, name, 200)
	secret.UID, secret.CreationTimestamp = uuid.NewUUID(), metav1.Now().Rfc3339Copy()
	coded, err := runtime.Encode(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), secret)
	if err != nil {
		return nil, err
	}
	asMap, err := runtime.DefaultUnstructuredConverter.ToUnstructured(secret)
	if err != nil {
		return nil, err
	}
	widget := widgetOf(sealedNamespace, name, "sealed elsewhere")
	widget.SetUID(uuid.NewUUID())
	widget.SetCreationTimestamp(secret.CreationTimestamp)
	widget.SetGeneration(1)
	text, err := json.Marshal(widget.Object)
	if err != nil {
		return nil, err
	}
	back := &unstructured.Unstructured{}
	if err := back.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	return []written{
		{plain{"secrets", "/registry/secrets/" + sealedNamespace + "/" + name, coded}, sealedNamespace, name, asMap},
		{
			plain{widgets.Resource + "." + widgets.Group, "/registry/" + widgets.Group + "/" + widgets.Resource + "/" + sealedNamespace + "/" + name, append(text, '\n')},
			sealedNamespace, name, back.Object,
		},
	}, nil
}

// serveOld puts what the old release wrote into an etcd of the new one, and compares what both answer.
func (r *run) serveOld(ctx context.Context, old *world) error {
	e, err := r.etcd(ctx, "served")
	if err != nil {
		return err
	}
	defer e.Stop()
	server, err := r.StartServer(ctx, stage.ServerOptions{Name: "served", Etcd: e, Config: old.configPath(r), KMSv1: true})
	if err != nil {
		return err
	}
	defer server.Stop()
	young, err := clientsOf(server)
	if err != nil {
		return err
	}
	served := 0
	for _, resource := range []string{"secrets", "configmaps"} {
		values, err := stored(ctx, old.etcd, "/registry/"+resource+"/")
		if err != nil {
			return err
		}
		for key, value := range values {
			if err := put(ctx, e, key, value); err != nil {
				return err
			}
			if err := servedAlike(ctx, old.client, young, resource, key); err != nil {
				return fmt.Errorf("%s of kube-apiserver %s, served by %s: %w", key, r.oldRelease, r.release, err)
			}
			served++
		}
	}
	r.Add("oldest", "values of kube-apiserver "+r.oldRelease+" that "+r.release+" serves as the old one does", served)
	rewrites, err := rewritesStale(ctx, e, young)
	if err != nil {
		return err
	}
	r.Add("oldest", "stale values of kube-apiserver "+r.oldRelease+" that an empty patch of "+r.release+" writes anew, once", rewrites)
	return nil
}

// rewritesStale patches every secret with nothing, twice: what is stale is written anew, which is the audit's judgement of all that
// the old release wrote, and then nothing is stale.
func rewritesStale(ctx context.Context, e *stage.Etcd, c clients) (int, error) {
	secrets := c.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("secrets"))
	patchAll := func() (changed int, all map[string][]byte, err error) {
		before, err := stored(ctx, e, "/registry/secrets/")
		if err != nil {
			return 0, nil, err
		}
		for key := range before {
			parts := strings.Split(key, "/")
			if _, err := secrets.Namespace(parts[3]).Patch(ctx, parts[4], types.MergePatchType, []byte("{}"), metav1.PatchOptions{}); err != nil {
				return 0, nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		after, err := stored(ctx, e, "/registry/secrets/")
		for key, value := range before {
			if string(after[key]) != string(value) {
				changed++
			}
		}
		return changed, before, err
	}
	first, all, err := patchAll()
	if err != nil {
		return 0, err
	}
	if first != len(all) {
		return 0, fmt.Errorf("an empty patch wrote %d of %d secrets anew, k8senc audit calls all of them stale", first, len(all))
	}
	second, _, err := patchAll()
	if err == nil && second != 0 {
		err = fmt.Errorf("a second empty patch wrote %d secrets anew, none is right", second)
	}
	return first, err
}

func servedAlike(ctx context.Context, old, young clients, resource, key string) error {
	parts := strings.Split(key, "/")
	namespace, name := parts[len(parts)-2], parts[len(parts)-1]
	objects := corev1.SchemeGroupVersion.WithResource(resource)
	theirs, err := old.dynamic.Resource(objects).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	ours, err := young.dynamic.Resource(objects).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	theirs.SetResourceVersion("")
	ours.SetResourceVersion("")
	if difference := firstDifference("", theirs.Object, ours.Object); difference != "" {
		return errors.New("it is another object" + difference)
	}
	return nil
}
