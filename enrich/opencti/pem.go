package opencti

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/youmark/pkcs8"
)

// pemOf reads PEM text or the file that holds it.
func pemOf(pathOrPEM string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(pathOrPEM), "-----BEGIN") {
		return []byte(pathOrPEM), nil
	}
	return os.ReadFile(pathOrPEM)
}

func certPool(pathOrPEM string) (*x509.CertPool, error) {
	text, err := pemOf(pathOrPEM)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no certificate")
	}
	return pool, nil
}

// keyPair reads a certificate and its key, which passphrase opens if it is encrypted.
func keyPair(cert, key, passphrase string) (tls.Certificate, error) {
	certText, err := pemOf(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := pemOf(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if keyText, err = openKey(keyText, passphrase); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certText, keyText)
}

// openKey decrypts the private key of a PEM text, in PKCS #8 or in OpenSSL's
// older form; one that is not encrypted is returned as it is.
func openKey(text []byte, passphrase string) ([]byte, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return text, nil
		}
		//lint:ignore SA1019 weak, but what the broker's operator may have
		legacy := x509.IsEncryptedPEMBlock(block)
		if block.Type != "ENCRYPTED PRIVATE KEY" && !legacy {
			continue
		}
		if passphrase == "" {
			return nil, errors.New("the key is encrypted and no passphrase is given")
		}
		if legacy {
			//lint:ignore SA1019 see above
			der, err := x509.DecryptPEMBlock(block, []byte(passphrase))
			if err != nil {
				return nil, errors.New("the passphrase does not open the key")
			}
			return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
		}
		key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(passphrase))
		if err != nil {
			return nil, errors.New("the passphrase does not open the key")
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("the key: %w", err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
}
