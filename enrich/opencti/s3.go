package opencti

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/enrichgate/enrichgate/stixconv"
)

// S3Config overrides what the registration says about the platform's object store.
type S3Config struct {
	Endpoint, Bucket, Region, AccessKey, SecretKey string
	Port                                           int
	UseSSL                                         *bool
	// Folder in the bucket; "." or empty is the bucket itself.
	Folder string
	// Retention is how long our objects stay there; zero keeps them.
	Retention time.Duration
	// HTTP makes the requests; nil means the library's own.
	HTTP http.RoundTripper
}

// over lays the overrides over the platform's word.
func (s S3Config) over(a storageAddress) storageAddress {
	a.Endpoint, a.Bucket, a.Region = cmp.Or(s.Endpoint, a.Endpoint), cmp.Or(s.Bucket, a.Bucket), cmp.Or(s.Region, a.Region)
	a.AccessKey, a.SecretKey = cmp.Or(s.AccessKey, a.AccessKey), cmp.Or(s.SecretKey, a.SecretKey)
	a.Port = cmp.Or(s.Port, a.Port)
	if s.UseSSL != nil {
		a.UseSSL = *s.UseSSL
	}
	return a
}

// s3Patience bounds one upload.
const s3Patience = time.Minute

// toS3 puts the bundle into the object store. A failure is worth another try.
func (t *task) toS3(ctx context.Context, b stixconv.Bundle, at time.Time) error {
	content, err := t.document("S3_BUNDLE", b)
	if err != nil {
		return err
	}
	cfg := t.c.cfg.Output.S3
	to := cfg.over(t.c.registration().Storage)
	host := to.Endpoint
	if to.Port != 0 {
		host = net.JoinHostPort(to.Endpoint, strconv.Itoa(to.Port))
	}
	store, err := minio.New(host, &minio.Options{
		Creds: credentials.NewStaticV4(to.AccessKey, to.SecretKey, ""), Secure: to.UseSSL, Region: to.Region,
		Transport: cfg.HTTP, MaxRetries: 1, BucketLookup: minio.BucketLookupPath,
	})
	if err != nil {
		return fmt.Errorf("S3: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s3Patience)
	defer cancel()
	folder := path.Clean("/" + cfg.Folder)[1:]
	key := path.Join(folder, t.c.fileName(at))
	_, err = store.PutObject(ctx, to.Bucket, key, bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: "application/json"})
	if err != nil {
		return &unavailableError{operation: "the upload to S3", err: fmt.Errorf("%s/%s: %w", to.Bucket, key, err)}
	}
	t.c.sweepS3(ctx, store, to.Bucket, path.Join(folder, t.c.filePrefix()+"-"), at)
	return nil
}

// sweepS3 drops our own old objects.
func (c *Connector) sweepS3(ctx context.Context, store *minio.Client, bucket, prefix string, now time.Time) {
	keep := c.cfg.Output.S3.Retention
	if keep <= 0 {
		return
	}
	for o := range store.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix}) {
		err := o.Err
		if err == nil && now.Sub(o.LastModified) > keep {
			err = store.RemoveObject(ctx, bucket, o.Key, minio.RemoveObjectOptions{})
		}
		if err != nil {
			c.log.Warn("old objects could not be dropped from S3", "error", err)
			return
		}
	}
}
