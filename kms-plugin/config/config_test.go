package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/k8senc/k8senc/kms-plugin/config"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// shared is what several backends inline.
type shared struct {
	Timeout time.Duration     `yaml:"timeout"`
	Labels  map[string]string `yaml:"labels"`
}

type cloud struct {
	Address string `yaml:"address"`
	Auth    *struct {
		Role  string `yaml:"role"`
		Tries int    `yaml:"tries"`
	} `yaml:"auth"`
	Connect shared `yaml:",inline"`
}

func (c *cloud) Validate() []kek.Problem {
	if c.Auth != nil && c.Auth.Role == "" {
		return []kek.Problem{{Field: "auth.role", What: "is missing", Hint: "name a role"}}
	}
	return nil
}

var kinds = config.Kinds{"cloud": func() kek.Validator { return &cloud{} }}

const good = `cluster: prod-1
keys:
  - name: first
    slot: 1
    cloud:
      address: here
      timeout: 3s
      labels: {a: b}
  - {slot: 2, retired: true, cloud: {auth: {role: reader}}}
recoveryKeys:
  - {slot: 200, publicKey: Qw+LmFlmUUWmtbpgJ0JEh71m8Dot1Xd1PGjX19AMAAA=}
onRevocation: keep
unwrapCache: {ttl: 1h}
`

func TestGood(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte(good), kinds)
	if err != nil {
		t.Fatal(err)
	}
	first := c.Keys[0].Block.(*cloud)
	if c.Cluster != "prod-1" || first.Address != "here" || first.Connect.Timeout != 3*time.Second || first.Connect.Labels["a"] != "b" {
		t.Fatalf("%+v %+v", c, first)
	}
	if c.Keys[1].Name != "cloud" || !c.Keys[1].Retired || c.Keys[1].Slot != 2 || c.RecoveryKeys[0].Name != "recovery-0" || len(c.RecoveryKeys[0].PublicKey) != 32 {
		t.Fatalf("%+v", c)
	}
	if c.OnRevocation != config.Keep || c.OnOutage.KeepFor != 24*time.Hour || c.UnwrapCache.TTL != time.Hour || c.Generation != 1 || c.Calls.HedgeAfter != 150*time.Millisecond {
		t.Fatalf("%+v", c)
	}
}

// Each wrong file says what is wrong, where, and what to do.
func TestWrong(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("%q is not in the good file", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, one := range map[string]struct{ text, want string }{
		"empty":                {"", "f.yaml: the file is empty"},
		"no mapping":           {"- a\n", "f.yaml:1:1: a list is here, a mapping is needed"},
		"syntax":               {"cluster: [\n", "f.yaml:"},
		"tab":                  {"cluster: x\n\tkeys: []\n", "no YAML"},
		"two documents":        {good + "---\na: 1\n", "more than one YAML document"},
		"typing error":         {change("cluster:", "cluter:"), "f.yaml:1:1: cluter: no such option; did you mean cluster?"},
		"case":                 {change("onRevocation", "onrevocation"), "did you mean onRevocation?"},
		"twice":                {good + "cluster: b\n", "cluster: is here a second time, first in line 1"},
		"anchor":               {change("prod-1", "&a prod-1"), "f.yaml:1:10: cluster: anchors and aliases are not taken"},
		"number for text":      {change("prod-1", "7"), "f.yaml:1:10: cluster: a number is here, a text is needed; put it in quotes"},
		"text for number":      {change("slot: 1", "slot: one"), "f.yaml:4:11: keys[0].slot: a text is here, a whole number from 0 to 255"},
		"slot too large":       {change("slot: 1", "slot: 256"), "keys[0].slot"},
		"bad duration":         {change("timeout: 3s", "timeout: 3"), `f.yaml:7:16: keys[0].cloud.timeout: "3" is no duration; write it as 150ms`},
		"negative duration":    {change("ttl: 1h", "ttl: -1h"), "unwrapCache.ttl"},
		"unknown in a backend": {change("address:", "adress:"), "keys[0].cloud.adress: no such option; did you mean address?"},
		"deep in a backend":    {change("role: reader", "tries: 2"), "f.yaml:9:38: keys[1].cloud.auth.role: is missing; name a role"},
		"no backend":           {change("{slot: 2, retired: true, cloud: {auth: {role: reader}}}", "{slot: 2}"), "f.yaml:9:5: keys[1]: no KMS is named; one block of cloud is needed"},
		"label":                {change("prod-1", "prod 1"), `f.yaml:1:1: cluster: "prod 1" is no label`},
		"slot twice":           {change("slot: 2", "slot: 1"), "f.yaml:9:6: keys[1].slot: 1 is the slot of keys[0]; a slot belongs to one key"},
		"recovery slot":        {change("slot: 200", "slot: 2"), "recoveryKeys[0].slot: 2 is the slot of keys[1]"},
		"public key":           {change("Qw+L", "Q"), "recoveryKeys[0].publicKey"},
		"all retired":          {change("slot: 1", "slot: 1\n    retired: true"), "keys: every key is retired"},
		"revocation":           {change("keep", "panic"), `onRevocation: "panic" is here, stop or keep is needed`},
		"relative socket":      {good + "socket: {path: kms.sock}\n", "socket.path: \"kms.sock\" is not absolute"},
		"abstract":             {good + "socket: {path: \"@kms\"}\n", "socket.path: an abstract socket"},
		"abstract for nobody":  {good + "socket: {path: \"@kms\", allowAbstract: true, peerUIDs: []}\n", "socket.peerUIDs: nobody may call"},
		"long socket":          {good + "socket: {path: /" + strings.Repeat("a", 120) + "}\n", "a socket takes at most 107"},
		"open metrics":         {good + "observe: {listen: \"0.0.0.0:9464\"}\n", "observe.listen: \"0.0.0.0:9464\" is not on loopback"},
		"set key":              {good + "setKey: {}\n", "setKey: exactly one of file and credential is needed"},
		"compat plugin":        {good + "compat: [{plugin: nobody, slot: 1}]\n", "compat[0].plugin: \"nobody\" is no plugin that can be read"},
		"compat slot":          {good + "compat: [{plugin: vault-kubernetes-kms, slot: 9}]\n", "compat[0].slot: no key has slot 9"},
		"compat backend":       {good + "compat: [{plugin: vault-kubernetes-kms, slot: 1}]\n", "slot 1 is a key of cloud, vault-kubernetes-kms wrote with vault"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Parse("f.yaml", []byte(one.text), kinds)
			var problems *config.Problems
			if !errors.As(err, &problems) || !strings.Contains(err.Error(), one.want) {
				t.Fatalf("%v\nis not\n%s", err, one.want)
			}
		})
	}
}

func TestEverythingWrongIsSaidInOrder(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte("b: 1\nkeys:\n  - {slot: x, cloud: {adress: 1}}\na: 1\n"), kinds)
	var problems *config.Problems
	if !errors.As(err, &problems) || len(problems.List) != 4 {
		t.Fatalf("%v", err)
	}
	for i := 1; i < len(problems.List); i++ {
		if problems.List[i].Line < problems.List[i-1].Line {
			t.Fatalf("%v", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("keys: [{}]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse("f", text, kinds)
		if (c == nil) == (err == nil) {
			t.Fatal("neither a configuration nor a reason, or both")
		}
	})
}
