\set n :n + 1
\set at 1790000000000000 + :n
\set age 18 + :n % 60
INSERT INTO bench_users (name, email, age, created_at, updated_at, version, name_fold, email_fold, email_key) VALUES ('Bench Person' || :n, 'r' || :run || 'c' || :client_id || 'n' || :n || '@example.com', :age, :at, :at, 1, 'bench person' || :n, 'r' || :run || 'c' || :client_id || 'n' || :n || '@example.com', 'r' || :run || 'c' || :client_id || 'n' || :n || '@example.com');
