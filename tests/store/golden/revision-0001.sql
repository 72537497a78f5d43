BEGIN TRANSACTION;
CREATE TABLE about (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_about PRIMARY KEY ("key")
);
INSERT INTO "about" VALUES('secscan_version','0.1.0');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE collector (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_collector PRIMARY KEY (id), 
	CONSTRAINT uq_collector_name UNIQUE (name)
);
INSERT INTO "collector" VALUES(1,'ports');
INSERT INTO "collector" VALUES(2,'names');
CREATE TABLE document (
	id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	packed BOOLEAN NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_document PRIMARY KEY (id), 
	CONSTRAINT uq_document_digest UNIQUE (digest)
);
INSERT INTO "document" VALUES(1,X'5B7C7C4817A5D420D732E0607F54A230',0,X'7B22686F737473223A5B227765622D31225D7D');
CREATE TABLE facts (
	id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	kind INTEGER NOT NULL, 
	version SMALLINT NOT NULL, 
	packed BOOLEAN NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_facts PRIMARY KEY (id), 
	CONSTRAINT uq_facts_digest UNIQUE (digest), 
	CONSTRAINT fk_facts_kind FOREIGN KEY(kind) REFERENCES kind (id)
);
INSERT INTO "facts" VALUES(1,X'720CA54C80071043FAD185CA4E142344',1,1,0,X'7B22616464726573736573223A5B223139322E302E322E31225D2C2262795F6E616D65223A7B22223A5B223139322E302E322E31225D7D7D');
INSERT INTO "facts" VALUES(2,X'BE4921E93D7BC16050EA57604FD3CF7B',2,1,0,X'7B2261736B6564223A7B22746370223A22312D31303030227D2C226D6574686F64223A22636F6E6E656374222C22706F727473223A5B7B226964656E74697479223A6E756C6C2C22706F7274223A3434332C22737461747573223A226F70656E222C227472616E73706F7274223A22746370222C22776879223A22227D5D2C2272657374223A7B22746370223A22636C6F736564227D7D');
CREATE TABLE finding (
	id INTEGER NOT NULL, 
	host INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	"check" INTEGER NOT NULL, 
	object TEXT NOT NULL, 
	CONSTRAINT pk_finding PRIMARY KEY (id), 
	CONSTRAINT uq_finding_host_name UNIQUE (host, name), 
	CONSTRAINT fk_finding_host FOREIGN KEY(host) REFERENCES host (id), 
	CONSTRAINT fk_finding_check FOREIGN KEY("check") REFERENCES phrase (id)
);
INSERT INTO "finding" VALUES(1,1,'F-4Q3E45OXJQ','host/web-1',1,'');
CREATE TABLE finding_state (
	finding INTEGER NOT NULL, 
	since INTEGER NOT NULL, 
	until INTEGER, 
	outcome TEXT NOT NULL, 
	severity SMALLINT NOT NULL, 
	reason TEXT, 
	template INTEGER NOT NULL, 
	template_values TEXT NOT NULL, 
	observed_at BIGINT, 
	addresses TEXT NOT NULL, 
	CONSTRAINT pk_finding_state PRIMARY KEY (finding, since), 
	CONSTRAINT fk_finding_state_finding FOREIGN KEY(finding) REFERENCES finding (id), 
	CONSTRAINT fk_finding_state_since FOREIGN KEY(since) REFERENCES judgement (id), 
	CONSTRAINT fk_finding_state_until FOREIGN KEY(until) REFERENCES judgement (id), 
	CONSTRAINT fk_finding_state_template FOREIGN KEY(template) REFERENCES phrase (id)
)
 WITHOUT ROWID

;
INSERT INTO "finding_state" VALUES(1,1,NULL,'fail',3,NULL,2,'{"port":23}',1772366400123456,'["192.0.2.1"]');
CREATE TABLE host (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_host PRIMARY KEY (id), 
	CONSTRAINT uq_host_name UNIQUE (name)
);
INSERT INTO "host" VALUES(1,'web-1');
CREATE TABLE judgement (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	run INTEGER NOT NULL, 
	at BIGINT NOT NULL, 
	baseline TEXT NOT NULL, 
	baseline_hash TEXT NOT NULL, 
	scoring_version SMALLINT NOT NULL, 
	secscan_version TEXT NOT NULL, 
	inventory_hash TEXT NOT NULL, 
	CONSTRAINT fk_judgement_run FOREIGN KEY(run) REFERENCES run (id)
);
INSERT INTO "judgement" VALUES(1,1,1772366400123456,'baseline','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1,'0.1.0','iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii');
CREATE TABLE kind (
	id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	CONSTRAINT pk_kind PRIMARY KEY (id), 
	CONSTRAINT uq_kind_name UNIQUE (name)
);
INSERT INTO "kind" VALUES(1,'addresses');
INSERT INTO "kind" VALUES(2,'ports');
CREATE TABLE lifecycle (
	finding INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	first_seen BIGINT NOT NULL, 
	resolved_at BIGINT, 
	reopened INTEGER NOT NULL, 
	CONSTRAINT pk_lifecycle PRIMARY KEY (finding), 
	CONSTRAINT fk_lifecycle_finding FOREIGN KEY(finding) REFERENCES finding (id)
);
CREATE TABLE observation (
	target INTEGER NOT NULL, 
	kind INTEGER NOT NULL, 
	observed_at BIGINT NOT NULL, 
	run INTEGER NOT NULL, 
	collector INTEGER NOT NULL, 
	facts INTEGER, 
	reason TEXT, 
	detail INTEGER, 
	volatile TEXT, 
	CONSTRAINT pk_observation PRIMARY KEY (target, kind, observed_at, run, collector), 
	CONSTRAINT fk_observation_target FOREIGN KEY(target) REFERENCES target (id), 
	CONSTRAINT fk_observation_kind FOREIGN KEY(kind) REFERENCES kind (id), 
	CONSTRAINT fk_observation_run FOREIGN KEY(run) REFERENCES run (id), 
	CONSTRAINT fk_observation_collector FOREIGN KEY(collector) REFERENCES collector (id), 
	CONSTRAINT fk_observation_facts FOREIGN KEY(facts) REFERENCES facts (id), 
	CONSTRAINT fk_observation_detail FOREIGN KEY(detail) REFERENCES phrase (id)
)
 WITHOUT ROWID

;
INSERT INTO "observation" VALUES(1,1,1772366400123456,1,2,1,NULL,NULL,NULL);
INSERT INTO "observation" VALUES(2,2,1772366400123456,1,1,2,NULL,NULL,NULL);
CREATE TABLE phrase (
	id INTEGER NOT NULL, 
	digest BLOB NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_phrase PRIMARY KEY (id), 
	CONSTRAINT uq_phrase_digest UNIQUE (digest)
);
INSERT INTO "phrase" VALUES(1,X'9A1BB8EEE080B9B5D16A62D556F8A83E','port.telnet');
INSERT INTO "phrase" VALUES(2,X'F63BE158CD264F8C9572EB3CC81129C5','Port {port} is open.');
CREATE TABLE run (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	state TEXT NOT NULL, 
	started_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	"plan" INTEGER NOT NULL, 
	inventory_hash TEXT NOT NULL, 
	scope_hash TEXT NOT NULL, 
	profile TEXT NOT NULL, 
	profile_hash TEXT NOT NULL, 
	domains TEXT NOT NULL, 
	secscan_version TEXT NOT NULL, 
	scoring_version SMALLINT NOT NULL, 
	checks_version TEXT NOT NULL, 
	CONSTRAINT fk_run_plan FOREIGN KEY("plan") REFERENCES document (id)
);
INSERT INTO "run" VALUES(1,'finished',1772366400123456,1772452800123456,1,'','','','','[]','0.1.0',0,'');
CREATE TABLE run_inventory (
	run INTEGER NOT NULL, 
	agency TEXT NOT NULL, 
	document INTEGER NOT NULL, 
	CONSTRAINT pk_run_inventory PRIMARY KEY (run, agency), 
	CONSTRAINT fk_run_inventory_run FOREIGN KEY(run) REFERENCES run (id), 
	CONSTRAINT fk_run_inventory_document FOREIGN KEY(document) REFERENCES document (id)
)
 WITHOUT ROWID

;
CREATE TABLE score (
	level TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	since INTEGER NOT NULL, 
	until INTEGER, 
	verified TEXT, 
	possible TEXT, 
	evaluated TEXT NOT NULL, 
	expected TEXT NOT NULL, 
	domains TEXT NOT NULL, 
	critical BOOLEAN NOT NULL, 
	caps TEXT, 
	grade TEXT, 
	meets_baseline BOOLEAN, 
	members TEXT, 
	CONSTRAINT pk_score PRIMARY KEY (level, subject, since), 
	CONSTRAINT fk_score_since FOREIGN KEY(since) REFERENCES judgement (id), 
	CONSTRAINT fk_score_until FOREIGN KEY(until) REFERENCES judgement (id)
)
 WITHOUT ROWID

;
INSERT INTO "score" VALUES('agency','ministry',1,NULL,'1/3','2/3','15/2','10/1','[["tls","1/7","2/7"]]',0,NULL,'F',0,'["web-1"]');
INSERT INTO "score" VALUES('host','web-1',1,NULL,'100/3','200/3','15/2','10/1','[["tls","1/7","2/7"],["certificates","0","100"]]',1,'["critical","high"]',NULL,NULL,NULL);
INSERT INTO "score" VALUES('tier','central',1,NULL,'1/3','2/3','15/2','10/1','[["tls","1/7","2/7"]]',0,NULL,'F',0,'["ministry"]');
INSERT INTO "score" VALUES('whole','whole',1,NULL,'1/3','2/3','15/2','10/1','[["tls","1/7","2/7"]]',0,NULL,'F',0,'["ministry"]');
CREATE TABLE target (
	id INTEGER NOT NULL, 
	host INTEGER NOT NULL, 
	rest TEXT NOT NULL, 
	CONSTRAINT pk_target PRIMARY KEY (id), 
	CONSTRAINT uq_target_host_rest UNIQUE (host, rest), 
	CONSTRAINT fk_target_host FOREIGN KEY(host) REFERENCES host (id)
);
INSERT INTO "target" VALUES(1,1,'');
INSERT INTO "target" VALUES(2,1,'192.0.2.1');
CREATE INDEX ix_finding_name ON finding (name);
CREATE UNIQUE INDEX ix_observation_run ON observation (run, target, kind, collector);
CREATE INDEX ix_judgement_run ON judgement (run);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('run',1);
INSERT INTO "sqlite_sequence" VALUES('judgement',1);
COMMIT;
