package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/kms/apis/v2"
)

// pluginClient calls a KMS v2 plugin as kube-apiserver does.
type pluginClient struct {
	v2.KeyManagementServiceClient
	conn *grpc.ClientConn
}

func clientOf(socket string) (*pluginClient, error) {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	return &pluginClient{v2.NewKeyManagementServiceClient(conn), conn}, nil
}

// Seal is the plugin's Encrypt. k8senc-kms-plugin answers no annotations.
func (c *pluginClient) Seal(plaintext []byte) (sealed []byte, keyID string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	answer, err := c.Encrypt(ctx, &v2.EncryptRequest{Plaintext: plaintext, Uid: "e2e"})
	if err != nil {
		return nil, "", err
	}
	if len(answer.Annotations) > 0 {
		return nil, "", fmt.Errorf("the plugin answers %d annotations", len(answer.Annotations))
	}
	return answer.Ciphertext, answer.KeyId, nil
}

// Unwrap is its Decrypt.
func (c *pluginClient) Unwrap(sealed []byte, keyID string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	answer, err := c.Decrypt(ctx, &v2.DecryptRequest{Ciphertext: sealed, KeyId: keyID, Uid: "e2e"})
	if err != nil {
		return nil, err
	}
	return answer.Plaintext, nil
}
