"""/workflows: DAGs of tasks that run and end as one."""
