"""The firing function, for EventBridge Scheduler, and the producer function, which takes submits without HTTP."""
