"""Operations of both clients, written once: their steps, the methods that perform them, paging and waiting."""
