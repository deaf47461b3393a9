package aws

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/internal/testtls"
	"github.com/k8senc/k8senc/kms-plugin/kek"
	"github.com/k8senc/k8senc/kms-plugin/kekconform"
)

// moto is one server for all tests of this package, over plain HTTP on loopback. K8SENC_TEST_MOTO names moto_server.
var moto struct {
	address string
	admin   *kms.Client
}

const (
	testRegion = "eu-west-1"
	accessKey  = "AKIDTESTTESTTESTTEST"
	secretKey  = "made-up-secret-access-key"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	program := os.Getenv("K8SENC_TEST_MOTO")
	if program == "" {
		program = "moto_server"
	}
	directory, err := os.MkdirTemp("", "aws-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(directory)
	command := exec.Command(program, "-H", "127.0.0.1", "-p", "0")
	log, err := os.Create(directory + "/moto.log")
	if err != nil {
		panic(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		panic(fmt.Errorf("moto_server does not start (make setup brings it, K8SENC_TEST_MOTO names it): %w", err))
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	// It takes a free port and says which: one that was free a moment ago may be another package's by now.
	says := regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)
	for deadline := time.Now().Add(2 * time.Minute); moto.address == ""; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(log.Name())
		if err != nil || time.Now().After(deadline) {
			panic(fmt.Errorf("moto_server does not say where it listens: %w: %s", err, text))
		}
		if found := says.FindSubmatch(text); found != nil {
			moto.address = string(found[1])
		}
	}
	// The ordinary chain finds these; nothing of the machine is asked.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": directory + "/none", "AWS_SHARED_CREDENTIALS_FILE": directory + "/none",
	} {
		os.Setenv(name, value)
	}
	moto.admin = kms.New(kms.Options{
		Region: testRegion, BaseEndpoint: &moto.address, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	return m.Run()
}

func newKey(t *testing.T, change ...func(*kms.CreateKeyInput)) (arn string) {
	t.Helper()
	input := &kms.CreateKeyInput{}
	for _, apply := range change {
		apply(input)
	}
	made, err := moto.admin.CreateKey(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	return sdk.ToString(made.KeyMetadata.Arn)
}

func rotate(t *testing.T, arn string) {
	t.Helper()
	// The dates of two rotations are a second apart, as KMS gives them.
	time.Sleep(1100 * time.Millisecond)
	if _, err := moto.admin.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
}

func plain(key, endpoint string) Config {
	return Config{Key: key, Endpoint: endpoint, Connect: connect.Config{Proxy: "none", Timeout: time.Minute}}
}

func secure(key, endpoint string, authority *testtls.Authority) Config {
	config := plain(key, endpoint)
	config.Connect.CAFile = authority.File
	return config
}

func open(t *testing.T, config Config) *Backend {
	t.Helper()
	if problems := config.Validate(); len(problems) > 0 {
		t.Fatalf("the configuration is refused: %+v", problems)
	}
	backend, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = backend.Close() })
	return backend
}

func subject(arn string, config Config) kekconform.Subject {
	return kekconform.Subject{
		Open: func(t *testing.T) kek.Backend { return open(t, config) },
		Kind: kek.AWS, Identity: 4, Bound: true, Secrets: []string{secretKey},
		Rotate: func(t *testing.T) { rotate(t, arn) },
		// moto puts the key's id in front and says of another that access is denied.
		FlipFrom: 36, Unknown: kek.Denied,
	}
}

func target(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+name) }
}

func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
