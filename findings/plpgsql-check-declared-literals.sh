#!/usr/bin/env bash
# plpgsql_check 2.3.0 on Debian 12's Postgres 15: an untyped literal is reported, or not, by where it stands. As the default
# of a declared variable, and in `return`, '[]' is a text that is cast to jsonb each time: "target type is different type than
# source type". Assigned to the same variable it is not, since PL/pgSQL (from Postgres 14 on) parses an assignment with the
# variable's type. So moving an initial value from the body to the declaration, or back, changes what `supabase db lint` finds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"
# The libraries too, where the machine has no Postgres; nothing is installed.
apt-get download -qq postgresql-15 postgresql-client-15 postgresql-15-plpgsql-check=2.3.0-1 \
  libicu72 libldap-2.5-0 libsasl2-2 libxml2 2>/dev/null
for package in ./*.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/$(uname -m)-linux-gnu"
programs="$folder/root/usr/lib/postgresql/15/bin"
as_nobody=()
if [ "$(id -u)" = 0 ]; then # Postgres refuses root.
  chown nobody "$folder"
  as_nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
"${as_nobody[@]}" "$programs/initdb" --pgdata="$folder/data" --auth=trust --username=postgres >/dev/null
"${as_nobody[@]}" "$programs/postgres" --single -j -D "$folder/data" postgres >"$folder/said" 2>/dev/null <<'SQL'
create extension plpgsql_check;

create function declared() returns jsonb language plpgsql as $$ declare x jsonb := '[]'; begin return x; end $$;

create function returned() returns jsonb language plpgsql as $$ begin return '[]'; end $$;

create function assigned() returns jsonb language plpgsql as $$ declare x jsonb; begin x := '[]'; return x; end $$;

select 'version ' || extversion as told from pg_extension where extname = 'plpgsql_check';

select format('%s: %s: %s', name, message, detail) as told
from unnest(array['declared', 'returned', 'assigned']) name, plpgsql_check_function_tb(name::regproc);

SQL
told=$(sed -n 's/^.*told = "\(.*\)"[[:space:]]*(typeid.*$/\1/p' "$folder/said")
echo "$told"
expected='version 2.3
declared: target type is different type than source type: cast "text" value to "jsonb" type
returned: target type is different type than source type: cast "text" value to "jsonb" type'
[ "$told" = "$expected" ] || { echo "this has changed" >&2; exit 1; }
