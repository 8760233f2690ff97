-- Work for the kernel "sqlite3": a table is filled, indexed, queried and changed.
create table part(id integer primary key, name text, kind integer, price integer);
insert into part
    with recursive counter(n) as (select 1 union all select n + 1 from counter where n < 300)
    select n, 'part ' || (n * 7919 % 2003), n * 31 % 17, n * 1103 % 5003 from counter;
create index part_kind on part(kind, price);
select kind, count(*), sum(price), min(name) from part group by kind order by kind;
select a.name, b.name from part a join part b on a.kind = b.kind and a.price = b.price - 1 order by a.id limit 20;
update part set price = price + 1 where kind = 3;
delete from part where name like '%9';
select count(*), sum(price) from part;
