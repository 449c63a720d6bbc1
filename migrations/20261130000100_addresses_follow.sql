-- An address that changes in Supabase Auth changes in public.users too. Sales whose metadata was made elsewhere are
-- compared with it: with the address of the sign-up, they would wait for a person.

create function public.credence_follow_address()
returns trigger
language plpgsql
-- Definer, because the role that changes addresses (supabase_auth_admin) has no rights on public.users.
security definer
set search_path = ''
as $$
begin
    begin
        -- A row that has another address has it from the project, and keeps it.
        update public.users u
        set email = new.email
        where u.id = new.id and (u.email is null or lower(u.email::text) = lower(old.email::text));
    exception when others then
        -- A change of address must not fail for the credits' sake.
        raise warning 'the address of user % stays as it was in public.users: %', new.id, sqlerrm;
    end;
    return null;
end
$$;

comment on function public.credence_follow_address() is
    'Lets public.users.email follow the address in Supabase Auth, unless the project has written another one.';

-- After a project's own triggers, as the one for sign-ups: what these wrote stays.
create trigger zz_credence_follow_address
    after update of email on auth.users
    for each row
    when (old.email is distinct from new.email)
    execute function public.credence_follow_address();

revoke all on function public.credence_follow_address() from public, anon, authenticated;
