package settings

import "time"

// Output is where bundles go beside the platform's worker, or instead.
type Output struct {
	// ToQueue hands bundles to the worker.
	ToQueue bool
	// Directory gets a file for each bundle; empty means none.
	Directory string
	// DirectoryDays is how long files stay there; 0 keeps them.
	DirectoryDays int
	// ToS3 puts each bundle into an object store, as the platform describes it.
	ToS3 bool
	// S3 overrides what the platform says; what is empty leaves it.
	S3 S3
	// Validate has an analyst look at the results before they are imported.
	Validate bool

	toDirectory bool
}

// S3 is an object store.
type S3 struct {
	Endpoint, Bucket, Region, AccessKey string
	SecretKey                           Secret
	Port                                int
	UseSSL                              *bool
	// Folder in the bucket; "." is the bucket itself.
	Folder string
	// Days is how long our objects stay there; 0 keeps them.
	Days int
}

// Kept is a number of days as a duration.
func Kept(days int) time.Duration { return time.Duration(days) * day }

// outputRows are where bundles go.
func outputRows() []row {
	return []row{
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_QUEUE", YAML: "connector.send_to_queue", Title: "Send to the queue", Kind: KindBool, Default: "true",
			Help: "Whether bundles are handed to OpenCTI's worker."},
			parse: boolean(func(s *Settings) *bool { return &s.Output.ToQueue })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_DIRECTORY", YAML: "connector.send_to_directory", Title: "Send to a directory", Kind: KindBool, Default: "false",
			Help: "Whether each bundle is also written to a file."},
			parse: boolean(func(s *Settings) *bool { return &s.Output.toDirectory })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_DIRECTORY_PATH", YAML: "connector.send_to_directory_path", Title: "Directory of bundles", Kind: KindPath, DefaultNote: "none", Example: "/var/lib/enrichgate/bundles",
			Help: "Directory that these files go to."},
			parse: folder(func(s *Settings) *string { return &s.Output.Directory })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_DIRECTORY_RETENTION", YAML: "connector.send_to_directory_retention", Title: "Retention of files", Kind: KindInt, Default: "7",
			Help: "How many days these files stay; 0 keeps them."},
			parse: integer(0, 36500, func(s *Settings) *int { return &s.Output.DirectoryDays })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_S3", YAML: "connector.send_to_s3", Title: "Send to S3", Kind: KindBool, Default: "false",
			Help: "Whether each bundle is also put into the platform's object store."},
			parse: boolean(func(s *Settings) *bool { return &s.Output.ToS3 })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_S3_BUCKET", YAML: "connector.send_to_s3_bucket", Title: "S3 bucket", Kind: KindText, DefaultNote: "as OpenCTI says", Example: "opencti-bucket",
			Help: "Bucket that they go to."},
			parse: text(func(s *Settings) *string { return &s.Output.S3.Bucket })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_S3_FOLDER", YAML: "connector.send_to_s3_folder", Title: "S3 folder", Kind: KindText, Default: "connectors",
			Help: "Folder in the bucket; . is the bucket itself."},
			parse: text(func(s *Settings) *string { return &s.Output.S3.Folder })},
		{Setting: Setting{Name: "CONNECTOR_SEND_TO_S3_RETENTION", YAML: "connector.send_to_s3_retention", Title: "Retention in S3", Kind: KindInt, Default: "7",
			Help: "How many days these objects stay; 0 keeps them."},
			parse: integer(0, 36500, func(s *Settings) *int { return &s.Output.S3.Days })},
		{Setting: Setting{Name: "CONNECTOR_VALIDATE_BEFORE_IMPORT", YAML: "connector.validate_before_import", Title: "Validate before import", Kind: KindBool, Default: "false",
			Help: "Whether an analyst has to look at the results before they are imported."},
			parse: boolean(func(s *Settings) *bool { return &s.Output.Validate })},
	}
}

// s3Rows override what the registration says about the object store.
func s3Rows() []row {
	const platform = "as OpenCTI says"
	return []row{
		{Setting: Setting{Name: "S3_ENDPOINT", YAML: "s3.endpoint", Title: "S3 endpoint", Kind: KindText, DefaultNote: platform, Example: "minio",
			Help: "Host of the object store as this daemon reaches it."},
			parse: hostName(func(s *Settings) *string { return &s.Output.S3.Endpoint })},
		{Setting: Setting{Name: "S3_PORT", YAML: "s3.port", Title: "S3 port", Kind: KindInt, DefaultNote: platform, Example: "9000",
			Help: "Port of the object store."},
			parse: integer(1, 65535, func(s *Settings) *int { return &s.Output.S3.Port })},
		{Setting: Setting{Name: "S3_ACCESS_KEY", YAML: "s3.access_key", Title: "S3 access key", Kind: KindText, DefaultNote: platform, Example: "opencti",
			Help: "Access key of the object store."},
			parse: text(func(s *Settings) *string { return &s.Output.S3.AccessKey })},
		{Setting: Setting{Name: "S3_SECRET_KEY", YAML: "s3.secret_key", Title: "S3 secret key", Kind: KindSecret, Secret: true, DefaultNote: platform,
			Help: "Secret key of the object store."},
			parse: secret(func(s *Settings) *Secret { return &s.Output.S3.SecretKey })},
		{Setting: Setting{Name: "S3_USE_SSL", YAML: "s3.use_ssl", Title: "S3 TLS", Kind: KindBool, DefaultNote: platform, Example: "true",
			Help: "Whether the object store is spoken to by TLS."},
			parse: maybe(func(s *Settings) **bool { return &s.Output.S3.UseSSL })},
		{Setting: Setting{Name: "S3_BUCKET_REGION", YAML: "s3.bucket_region", Title: "S3 region", Kind: KindText, DefaultNote: platform, Example: "us-east-1",
			Help: "Region of the bucket."},
			parse: text(func(s *Settings) *string { return &s.Output.S3.Region })},
	}
}
