// Command apiserver serves secrets and configmaps over HTTPS with k8s.io/apiserver: its handlers, its etcd store, its
// encryption at rest. It is what `k8senc reencrypt` is tried on; a kube-apiserver has more resources, the same code below them.
package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	restclient "k8s.io/client-go/rest"
	"k8s.io/client-go/util/cert"
	basecompatibility "k8s.io/component-base/compatibility"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// The paging of a real server rests on etcd's revisions; both are kept.
const registryPrefix = "/registry"

var (
	version = schema.GroupVersion{Version: "v1"}
	kinds   = []runtime.Object{&corev1.Secret{}, &corev1.SecretList{}, &corev1.ConfigMap{}, &corev1.ConfigMapList{}}
)

func main() {
	etcd := flag.String("etcd", "http://127.0.0.1:2379", "where etcd listens")
	config := flag.String("encryption-provider-config", "", "the EncryptionConfiguration")
	reload := flag.Bool("encryption-provider-config-automatic-reload", false, "poll the file")
	kubeconfig := flag.String("kubeconfig", "", "file to write when the server is ready")
	token := flag.String("token", "", "the bearer token to ask for")
	flag.Parse()
	if err := run(*etcd, *config, *reload, *kubeconfig, *token); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

func run(etcd, config string, reload bool, kubeconfig, token string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	api, err := build(etcd, config, reload, listener.Addr().String())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	prepared := api.PrepareRun()
	api.RunPostStartHooks(ctx)
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	https := &http.Server{
		Handler:           authenticated(prepared.Handler, token),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}},
		ReadHeaderTimeout: 10 * time.Second,
	}
	if err := writeKubeconfig(kubeconfig, listener.Addr().String(), certificate, token); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = https.Close()
	}()
	if err := https.ServeTLS(listener, "", ""); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func build(etcd, config string, reload bool, address string) (*server.GenericAPIServer, error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, version)
	scheme.AddKnownTypes(version, kinds...)
	// The handlers decode to the internal version. Where it has the same Go types nothing is converted.
	scheme.AddKnownTypes(schema.GroupVersion{Version: runtime.APIVersionInternal}, kinds...)
	scheme.AddUnversionedTypes(version, &metav1.Status{}, &metav1.APIVersions{}, &metav1.APIGroupList{}, &metav1.APIGroup{}, &metav1.APIResourceList{})
	if err := scheme.SetVersionPriority(version); err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)

	c := server.NewConfig(codecs)
	c.EffectiveVersion = basecompatibility.NewEffectiveVersionFromString("1.37.2", "", "")
	c.ExternalAddress = address
	c.LoopbackClientConfig = &restclient.Config{Host: address, BearerToken: "loopback"}
	c.SkipOpenAPIInstallation = true
	c.OpenAPIV3Config = server.DefaultOpenAPIV3Config(definitions, openapinamer.NewDefinitionNamer(scheme))

	store := options.NewEtcdOptions(storagebackend.NewDefaultConfig(registryPrefix, codecs.LegacyCodec(version)))
	store.StorageConfig.Transport.ServerList = []string{etcd}
	store.StorageConfig.EncodeVersioner = version
	store.DefaultStorageMediaType = runtime.ContentTypeProtobuf
	store.EncryptionProviderConfigFilepath = config
	store.EncryptionProviderConfigAutomaticReload = reload
	if err := store.ApplyTo(c); err != nil {
		return nil, err
	}
	api, err := c.Complete(nil).New("k8senc-tests", server.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}
	group := server.NewDefaultAPIGroupInfo("", scheme, runtime.NewParameterCodec(scheme), codecs)
	served := map[string]rest.Storage{}
	for _, resource := range []struct {
		plural, singular string
		object, list     func() runtime.Object
	}{
		{"secrets", "secret", func() runtime.Object { return &corev1.Secret{} }, func() runtime.Object { return &corev1.SecretList{} }},
		{"configmaps", "configmap", func() runtime.Object { return &corev1.ConfigMap{} }, func() runtime.Object { return &corev1.ConfigMapList{} }},
	} {
		rules := strategy{ObjectTyper: scheme}
		kept := &registry{&genericregistry.Store{
			NewFunc:                   resource.object,
			NewListFunc:               resource.list,
			DefaultQualifiedResource:  schema.GroupResource{Resource: resource.plural},
			SingularQualifiedResource: schema.GroupResource{Resource: resource.singular},
			CreateStrategy:            rules,
			UpdateStrategy:            rules,
			DeleteStrategy:            rules,
			TableConvertor:            rest.NewDefaultTableConvertor(schema.GroupResource{Resource: resource.plural}),
		}}
		if err := kept.CompleteWithOptions(storeOptions(c)); err != nil {
			return nil, err
		}
		served[resource.plural] = kept
	}
	group.VersionedResourcesStorageMap[version.Version] = served
	return api, api.InstallLegacyAPIGroup(server.DefaultLegacyAPIPrefix, &group)
}

// definitions stand in for the generated schemas, which only kube-apiserver has: objects with fields of any kind.
func definitions(openapicommon.ReferenceCallback) map[string]openapicommon.OpenAPIDefinition {
	found := map[string]openapicommon.OpenAPIDefinition{}
	for _, name := range []string{"Secret", "ConfigMap"} {
		free := spec.Schema{}
		free.Type = []string{"object"}
		free.AddExtension("x-kubernetes-preserve-unknown-fields", true)
		free.AddExtension("x-kubernetes-group-version-kind", []any{map[string]any{"group": "", "version": "v1", "kind": name}})
		definition := openapicommon.OpenAPIDefinition{Schema: free}
		found["k8s.io/api/core/v1."+name] = definition
		found["io.k8s.api.core.v1."+name] = definition
	}
	return found
}

func authenticated(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`, http.StatusUnauthorized)
			return
		}
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// writeKubeconfig puts the file down in one step, so that who waits for it never reads half of it.
func writeKubeconfig(file, address string, ca []byte, token string) error {
	if file == "" {
		return nil
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://%s", certificate-authority-data: %s}}]
users: [{name: test, user: {token: %q}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
`, address, base64.StdEncoding.EncodeToString(ca), token)
	if err := os.WriteFile(file+".part", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}
