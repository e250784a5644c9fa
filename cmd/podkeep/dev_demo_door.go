package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"time"
)

// demoHost is the name that the demo's door serves.
const demoHost = "hello.example.org"

const doorIngress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: hello}
spec:
  tls: [{hosts: [` + demoHost + `], secretName: hello-tls}]
  rules:
    - host: ` + demoHost + `
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: hello, port: {number: 80}}}}
`

const doorSecret = `apiVersion: v1
kind: Secret
metadata: {name: hello-tls}
type: kubernetes.io/tls
data:
  tls.crt: %s
  tls.key: %s
`

// door gives the Service a name by HTTPS, and asks each node for it.
func (d *demo) door(ctx context.Context) error {
	chain, private, err := certificate(demoHost)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString
	for file, content := range map[string]string{
		"work/ingress.yaml": doorIngress, "work/certificate.yaml": fmt.Sprintf(doorSecret, text(chain), text(private)), "hello.pem": string(chain),
	} {
		if err := os.WriteFile(d.file(file), []byte(content), 0o600); err != nil {
			return err
		}
	}
	d.say("%s\n", indent(doorIngress, "ingress.yaml  "))
	if _, err := d.push(ctx, "a name of its own, by HTTPS"); err != nil {
		return err
	}
	for _, n := range d.fleet.Nodes {
		args := []string{"--silent", "--show-error", "--cacert", "hello.pem", "--resolve", demoHost + ":443:" + n.Address, "https://" + demoHost + "/"}
		var said []byte
		if err := d.waitFor(ctx, "the door of "+n.Name+" to answer", func() (bool, string) {
			cmd := exec.CommandContext(ctx, "curl", args...)
			cmd.Dir = d.fleet.Dir
			said, err = cmd.CombinedOutput()
			return err == nil && strings.Contains(string(said), " from "), strings.TrimSpace(string(said))
		}); err != nil {
			return err
		}
		d.shown("curl " + strings.Join(args[2:], " "))
		d.say("%s\n", said)
	}
	return d.podkeep(ctx, "status", "ingress/hello")
}

// certificate is one that a host has signed itself, for a day, with its key, in PEM.
func certificate(host string) (chain, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: host}, // curl verifies none without an issuer's name
		DNSNames: []string{host}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 0, 1), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
