package aws

import (
	"fmt"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Config names one symmetric key of AWS KMS. Credentials come from the SDK's ordinary chain: environment, shared files, web
// identity, container, instance.
type Config struct {
	// Key is an ARN, a key id or alias/NAME. An alias is resolved again by each Current.
	Key string `yaml:"key"`
	// FormerKeys are ARNs of keys that older wraps may be of: where the alias pointed before.
	FormerKeys []string `yaml:"formerKeys"`
	// Region is needed where Key is no ARN.
	Region string `yaml:"region"`
	// Endpoint is that of a VPC endpoint or a FIPS endpoint.
	Endpoint string `yaml:"endpoint"`
	// Profile is one of the shared configuration file.
	Profile string `yaml:"profile"`
	// RoleARN is assumed with the credentials of the chain.
	RoleARN    string `yaml:"roleARN"`
	ExternalID string `yaml:"externalID"`

	Connect connect.Config `yaml:",inline"`
}

var (
	keyARN  = connect.Pattern(`^arn:(aws[a-z-]*):kms:([a-z0-9-]+):([0-9]{12}):key/([A-Za-z0-9-]{1,64})$`)
	anyARN  = connect.Pattern(`^arn:(aws[a-z-]*):kms:([a-z0-9-]+):([0-9]{12}):(?:key|alias)/([\w/-]{1,256})$`)
	keyID   = connect.Pattern(`^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
	alias   = connect.Pattern(`^alias/[\w/-]{1,250}$`)
	region  = connect.Pattern(`^[a-z]{2,}(?:-[a-z0-9]+)+$`)
	roleARN = connect.Pattern(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.{1,512}$`)
)

// Owns takes a version of the key or of a former one; where an alias points nobody knows without asking.
func (c *Config) Owns(id [][]byte) bool {
	if len(id) != 4 {
		return false
	}
	for _, arn := range append([]string{c.Key}, c.FormerKeys...) {
		parts := keyARN().FindStringSubmatch(arn)
		if parts == nil && (!keyID().MatchString(arn) || arn == string(id[2])) {
			return true
		}
		if parts != nil && parts[1] == string(id[0]) && parts[3] == string(id[1]) && parts[4] == string(id[2]) {
			return true
		}
	}
	return false
}

// Validate says which field is wrong.
func (c *Config) Validate() []kek.Problem {
	var found []kek.Problem
	report := func(field, what, hint string) {
		found = append(found, kek.Problem{Field: field, What: what, Hint: hint})
	}
	parts := anyARN().FindStringSubmatch(c.Key)
	switch {
	case c.Key == "":
		report("key", "is missing", "the ARN of the key, or alias/NAME with a region")
	case parts == nil && !keyID().MatchString(c.Key) && !alias().MatchString(c.Key):
		report("key", fmt.Sprintf("%q is no ARN, key id or alias", c.Key), "write it as arn:aws:kms:REGION:ACCOUNT:key/ID or alias/NAME")
	case parts == nil && c.Region == "":
		report("region", "is missing", "a key that is not named by its ARN needs one")
	case parts != nil && c.Region != "" && c.Region != parts[2]:
		report("region", fmt.Sprintf("%q is not the region of the ARN, %s", c.Region, parts[2]), "leave region out")
	}
	if c.Region != "" && !region().MatchString(c.Region) {
		report("region", fmt.Sprintf("%q is no region", c.Region), "write it as eu-central-1")
	}
	for i, former := range c.FormerKeys {
		if !keyARN().MatchString(former) {
			report(fmt.Sprintf("formerKeys[%d]", i), fmt.Sprintf("%q is no ARN of a key", former), "an alias does not say which key it once was")
		}
	}
	if c.Endpoint != "" {
		if problem, wrong := connect.Address("endpoint", c.Endpoint); wrong {
			found = append(found, problem)
		}
	}
	if c.RoleARN != "" && !roleARN().MatchString(c.RoleARN) {
		report("roleARN", fmt.Sprintf("%q is no ARN of a role", c.RoleARN), "")
	}
	if c.ExternalID != "" && c.RoleARN == "" {
		report("externalID", "is here without roleARN", "")
	}
	return append(found, c.Connect.Validate()...)
}

func (c *Config) region() string {
	if parts := anyARN().FindStringSubmatch(c.Key); parts != nil {
		return parts[2]
	}
	return c.Region
}
