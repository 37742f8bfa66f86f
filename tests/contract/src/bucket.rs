//! The buckets: access, encryption, lifecycle, CORS, notifications, and the lock of the archive.

use domain::file::{OBJECT_PREFIX, object_key};
use domain::id::FileId;
use serde_json::{Value, json};

use crate::template::{Template, number, text, texts};

fn bucket(template: &Template) -> &Value {
    template.properties("Bucket", "AWS::S3::Bucket")
}

#[test]
fn objects_are_not_public() {
    let template = Template::load();
    assert_eq!(
        bucket(&template)["PublicAccessBlockConfiguration"],
        json!({ "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true,
            "RestrictPublicBuckets": true }),
    );
    assert_eq!(
        bucket(&template)["OwnershipControls"],
        json!({ "Rules": [{ "ObjectOwnership": "BucketOwnerEnforced" }] })
    );
    for (name, each) in template.all("AWS::S3::Bucket") {
        assert_refuses_plain_http(&template, name);
        for setting in ["PublicAccessBlockConfiguration", "OwnershipControls", "BucketEncryption"] {
            assert_eq!(each[setting], bucket(&template)[setting], "{setting} of {name}");
        }
    }
    let policies = template.all("AWS::S3::BucketPolicy").count();
    assert_eq!(
        (policies, template.all("AWS::S3::Bucket").count()),
        (3, 3),
        "template.yaml must have one policy for each bucket"
    );
}

/// Fails unless the policy of a bucket refuses connections without TLS and contains nothing else.
#[track_caller]
fn assert_refuses_plain_http(template: &Template, bucket: &str) {
    let policy = template.properties(&format!("{bucket}Policy"), "AWS::S3::BucketPolicy");
    assert_eq!(text(&policy["Bucket"]), format!("${{{bucket}}}"));
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    let [statement] = &statements[..] else {
        panic!("the policy of {bucket} must only refuse plain HTTP: remove its other statements")
    };
    for (part, expected) in
        [("Effect", json!("Deny")), ("Principal", json!("*")), ("Action", json!("s3:*"))]
    {
        assert_eq!(statement[part], expected, "{part} of the bucket policy");
    }
    assert_eq!(
        texts(&statement["Resource"]),
        [format!("${{{bucket}.Arn}}"), format!("${{{bucket}.Arn}}/*")]
    );
    assert_eq!(statement["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }));
}

#[test]
fn objects_are_encrypted_and_old_versions_expire() {
    let template = Template::load();
    let bucket = bucket(&template);
    let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
    let encryption = &encryption["ServerSideEncryptionByDefault"];
    assert_eq!(encryption["SSEAlgorithm"], "AES256");
    assert_eq!(bucket["VersioningConfiguration"], json!({ "Status": "Enabled" }));
    let rules = bucket["LifecycleConfiguration"]["Rules"].as_array().unwrap();
    let enabled = |setting: &str| {
        rules
            .iter()
            .find(|rule| rule["Status"] == "Enabled" && !rule[setting].is_null())
            .map(|rule| &rule[setting])
    };
    let incomplete = enabled("AbortIncompleteMultipartUpload")
        .expect("template.yaml must remove incomplete uploads: add the lifecycle rule");
    assert!(number(&incomplete["DaysAfterInitiation"], "DaysAfterInitiation") <= 7);
    let former = enabled("NoncurrentVersionExpiration")
        .expect("template.yaml must remove versions of deleted objects: add the lifecycle rule");
    assert!(
        number(&former["NoncurrentDays"], "NoncurrentDays") <= 30,
        "deleted files must be gone after 30 days"
    );
    assert!(
        rules.iter().all(|rule| rule["ExpirationInDays"].is_null()),
        "files of records must not expire: remove ExpirationInDays"
    );
}

#[test]
fn accesses_to_all_buckets_are_logged_if_that_is_asked_for() {
    let template = Template::load();
    for (name, bucket) in template.all("AWS::S3::Bucket") {
        let logging = &bucket["LoggingConfiguration"]["Fn::If"];
        assert_eq!(logging[0], "HasAccessLogBucket", "{name}");
        assert_eq!(text(&logging[1]["DestinationBucketName"]), "${AccessLogBucket}");
        assert_eq!(text(&logging[1]["LogFilePrefix"]), format!("${{AWS::StackName}}/{name}/"));
        assert_eq!(text(&logging[2]), "${AWS::NoValue}");
    }
}

#[test]
fn cors_allows_exactly_the_requests_of_presigned_urls() {
    let template = Template::load();
    // With the web client at the address of the API.
    let address = json!({ "Fn::If": ["HasPublicUrl", { "Ref": "PublicUrl" },
        { "Fn::GetAtt": ["HttpApi", "ApiEndpoint"] }] });
    let others =
        json!({ "Fn::If": ["HasAllowedOrigins", { "Fn::Sub": "${AllowedOrigins}," }, ""] });
    let deployed = json!({ "Fn::Split": [",", { "Fn::Join": ["", [others, address]] }] });
    let local = json!({ "Fn::Split": [",", { "Ref": "LocalOrigins" }] });
    assert_eq!(
        bucket(&template)["CorsConfiguration"],
        json!({ "CorsRules": [{
            "AllowedOrigins": { "Fn::If": ["IsLocal", local, deployed] },
            "AllowedMethods": ["GET", "PUT"],
            // SIGNED_UPLOAD_HEADERS of shared/runtime/src/bucket.rs.
            "AllowedHeaders": ["Content-Type", "If-None-Match", "X-Amz-Checksum-Sha256"],
            "ExposedHeaders": ["ETag"],
            "MaxAge": 3600,
        }] }),
    );
}

#[test]
fn the_inspector_is_notified_of_every_new_object() {
    let template = Template::load();
    let configurations =
        bucket(&template)["NotificationConfiguration"]["QueueConfigurations"].as_array().unwrap();
    let [configuration] = &configurations[..] else {
        panic!("the bucket in template.yaml must notify exactly one queue of new objects")
    };
    assert_eq!(configuration["Event"], "s3:ObjectCreated:*");
    assert_eq!(text(&configuration["Queue"]), "${UploadQueue.Arn}");
    let prefix = configuration["Filter"]["S3Key"]["Rules"][0]["Value"].as_str().unwrap();
    let key = object_key("01936f2a-0000-7000-8000-0000000000f1".parse::<FileId>().unwrap());
    assert!(
        key.starts_with(prefix),
        "the object keys of files do not start with {prefix}: correct the filter and the roles in \
         template.yaml"
    );
    let rule = concat!(
        "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}",
        ":rule/${AWS::StackName}-MalwareScanRule-*"
    );
    let policy = template.properties("UploadQueuePolicy", "AWS::SQS::QueuePolicy");
    assert_eq!(texts(&policy["Queues"]), ["${UploadQueue}"]);
    assert_eq!(
        policy["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": { "Fn::GetAtt": ["UploadQueue", "Arn"] },
            "Condition": { "StringEquals": { "aws:SourceAccount": { "Ref": "AWS::AccountId" } } },
        }, {
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": { "Fn::GetAtt": ["UploadQueue", "Arn"] },
            "Condition": { "ArnLike": { "aws:SourceArn": { "Fn::Sub": rule } } },
        }]),
        "S3 must be allowed to send to the queue, for this account only, and the rule with results \
         of scans",
    );
}

#[test]
fn objects_are_scanned_for_malware_if_that_is_configured() {
    let template = Template::load();
    let parameter = &template.section("Parameters")["MalwareProtection"];
    assert_eq!(parameter["Default"], "NONE");
    assert_eq!(parameter["AllowedValues"], json!(["NONE", "GUARDDUTY"]));
    assert_eq!(
        template.section("Conditions")["ScansForMalware"],
        json!({ "Fn::Equals": [{ "Ref": "MalwareProtection" }, "GUARDDUTY"] })
    );
    for name in ["MalwareProtectionPlan", "MalwareProtectionRole", "MalwareScanRule"] {
        assert_eq!(template.resource(name)["Condition"], "ScansForMalware", "{name}");
    }
    let plan =
        template.properties("MalwareProtectionPlan", "AWS::GuardDuty::MalwareProtectionPlan");
    assert_eq!(text(&plan["Role"]), "${MalwareProtectionRole.Arn}");
    let scanned = &plan["ProtectedResource"]["S3Bucket"];
    assert_eq!(text(&scanned["BucketName"]), "${Bucket}");
    assert_eq!(scanned["ObjectPrefixes"], json!([OBJECT_PREFIX]), "all files are scanned");
    assert_eq!(
        bucket(&template)["NotificationConfiguration"]["EventBridgeConfiguration"],
        json!({ "Fn::If": ["ScansForMalware", { "EventBridgeEnabled": true },
            { "Ref": "AWS::NoValue" }] }),
        "GuardDuty learns of new objects by EventBridge"
    );
    let rule = template.properties("MalwareScanRule", "AWS::Events::Rule");
    assert_eq!(
        rule["EventPattern"],
        json!({
            "source": ["aws.guardduty"],
            "detail-type": ["GuardDuty Malware Protection Object Scan Result"],
            "detail": { "s3ObjectDetails": { "bucketName": [{ "Ref": "Bucket" }] } },
        })
    );
    assert_eq!(text(&rule["Targets"][0]["Arn"]), "${UploadQueue.Arn}");
    assert!(rule["Targets"][0]["InputTransformer"].is_null(), "the inspector reads whole events");
}

#[test]
fn the_archive_is_locked_for_the_retention_period() {
    let template = Template::load();
    let archive = template.properties("ArchiveBucket", "AWS::S3::Bucket");
    for setting in [
        "PublicAccessBlockConfiguration",
        "OwnershipControls",
        "BucketEncryption",
        "VersioningConfiguration",
    ] {
        assert_eq!(archive[setting], bucket(&template)[setting], "{setting}");
    }
    assert_refuses_plain_http(&template, "ArchiveBucket");
    assert_eq!(archive["ObjectLockEnabled"], true);
    assert_eq!(
        archive["ObjectLockConfiguration"],
        json!({
            "ObjectLockEnabled": "Enabled",
            "Rule": { "DefaultRetention": { "Mode": { "Ref": "AuditLockMode" },
                "Days": { "Ref": "AuditRetentionDays" } } },
        }),
    );
    assert_eq!(
        archive["LifecycleConfiguration"],
        Value::Null,
        "objects of the archive must not expire: remove LifecycleConfiguration"
    );
    assert_eq!(
        number(
            &template.section("Parameters")["AuditRetentionDays"]["Default"],
            "AuditRetentionDays"
        ),
        2192,
        "six years"
    );
}
