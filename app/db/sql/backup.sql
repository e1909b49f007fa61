-- name: tables
-- With rows of their own: a partitioned table's are its partitions'.
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY name;

-- name: n_indexes
SELECT count(*)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema';

-- name: drops
-- All that is Palate's, in an order that CASCADE makes any.
SELECT format('DROP SCHEMA IF EXISTS %I CASCADE;', nspname) AS sql FROM pg_namespace WHERE nspname = ANY (CAST(:schemas AS text[]))
UNION ALL
SELECT format('DROP TABLE IF EXISTS public.%I CASCADE;', relname)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p');

-- name: foreign_schemas
SELECT nspname
FROM pg_namespace
WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'public') AND nspname <> ALL (CAST(:schemas AS text[]))
ORDER BY nspname;

-- name: n_others
-- Connections of services and workers to this database, beside this one's process.
SELECT count(DISTINCT pid)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
