package azure

import (
	"bytes"
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/k8senc/k8senc/kms-plugin/secret"
)

// options are those of all requests: one transport, and no retry, because the caller decides what is tried again.
func (c *Config) options(transport policy.Transporter) azcore.ClientOptions {
	made := azcore.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}, Cloud: cloud.AzurePublic}
	if c.AuthorityHost != "" {
		made.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: c.AuthorityHost}
	}
	return made
}

func (c *Config) credential(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	// An authority that is named is not looked up at Microsoft's: private clouds cannot reach it.
	own := c.AuthorityHost != ""
	switch {
	case c.Auth.ClientSecret != nil:
		return &secretLogin{config: c.Auth.ClientSecret, options: azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: own}}, nil
	case c.Auth.WorkloadIdentity != nil:
		w := c.Auth.WorkloadIdentity
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: own, TenantID: w.TenantID, ClientID: w.ClientID, TokenFilePath: w.TokenFile,
		})
	case c.Auth.ManagedIdentity != nil:
		made := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if id := c.Auth.ManagedIdentity.ClientID; id != "" {
			made.ID = azidentity.ClientID(id)
		}
		return azidentity.NewManagedIdentityCredential(made)
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: own})
}

// secretLogin reads the secret for each token that is fetched, so that a renewed one needs no restart.
type secretLogin struct {
	config  *ClientSecret
	options azidentity.ClientSecretCredentialOptions
}

func (s *secretLogin) GetToken(ctx context.Context, request policy.TokenRequestOptions) (azcore.AccessToken, error) {
	read, name := secret.ReadFile, s.config.File
	if s.config.Credential != "" {
		read, name = secret.ReadCredential, s.config.Credential
	}
	text, err := read(name)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("client secret: %w", err)
	}
	defer clear(text)
	login, err := azidentity.NewClientSecretCredential(s.config.TenantID, s.config.ClientID, string(bytes.TrimSpace(text)), &s.options)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return login.GetToken(ctx, request)
}
